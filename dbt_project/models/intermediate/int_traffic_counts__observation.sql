-- A camera that saw nothing of the hour (uptime 0) reports zero vehicles: that is not measured, not zero.
with traffic_hour as (
    select * from {{ ref('stg_traffic_counts__hour') }}
    where {{ at_stake('event_date', 'observation') }}
),

traffic_mode as (
    select * from {{ ref('traffic_mode') }}
),

by_mode as (
    select
        traffic_hour.*,
        traffic_mode.traffic_mode,
        case
            when coalesce(traffic_hour.uptime, 0) = 0 then null
            when traffic_mode.traffic_mode = 'heavy' then traffic_hour.heavy_count
            when traffic_mode.traffic_mode = 'car' then traffic_hour.car_count
            when traffic_mode.traffic_mode = 'bike' then traffic_hour.bike_count
            else traffic_hour.pedestrian_count
        end as passage_count
    from traffic_hour
    cross join traffic_mode
)

select
    'traffic_counts' as source_id,
    'traffic_counts:' || segment_id || ':' || traffic_mode as datastream_id,
    start_time as phenomenon_time,
    start_time + interval 1 hour as phenomenon_end_time,
    passage_count as result,
    case when passage_count is null then 'missing' else 'good' end as quality,
    source_file,
    source_sha256,
    source_row
from by_mode
