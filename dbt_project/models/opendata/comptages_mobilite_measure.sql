with traffic_count_hour as (
    select * from {{ ref('traffic_count_hour') }}
),

channel as (
    select * from {{ ref('comptages_mobilite_channel') }}
),

mode as (
    select * from {{ ref('traffic_mode') }}
)

select
    channel.channel_id,
    null::varchar as counter_id,
    traffic_count_hour.start_time as start_datetime,
    traffic_count_hour.end_time as end_datetime,
    round(traffic_count_hour.passage_count, 2) as count
from traffic_count_hour
inner join mode on traffic_count_hour.traffic_mode = mode.traffic_mode
inner join channel on traffic_count_hour.segment_id = channel.site_id and mode.mobility_type = channel.mobility_type
