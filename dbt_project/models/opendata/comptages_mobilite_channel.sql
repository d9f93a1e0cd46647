with traffic_count_hour as (
    select * from {{ ref('traffic_count_hour') }}
),

location as (
    select * from {{ ref('location') }}
),

platform as (
    select * from {{ ref('platform') }}
    where source_id = 'traffic_counts'
),

mode as (
    select * from {{ ref('traffic_mode') }}
),

-- Only sites whose place is known are published.
located as (
    select traffic_count_hour.*
    from traffic_count_hour
    inner join location on traffic_count_hour.thing_id = location.thing_id
    where location.longitude is not null and location.latitude is not null
),

measured as (
    select
        segment_id,
        traffic_mode,
        min(start_time) as first_time,
        max(end_time) as last_time
    from located
    where passage_count is not null
    group by segment_id, traffic_mode
)

select
    measured.segment_id || '-' || mode.mobility_type as channel_id,
    null::varchar as channel_provider_id,
    measured.segment_id as site_provider_id,
    measured.segment_id as site_id,
    mode.mobility_type,
    null::varchar as comment,
    'REMOTE TRANSMISSION' as counter_transmission_type,
    'API' as publication_transmission_type,
    'VIDEO SENSOR' as counter_type,
    null::varchar as direction,
    null::varchar as provider_direction_code,
    null::varchar as provider_direction_name,
    platform.supplier as data_provider_name,
    'PERMANENT' as temporality,
    measured.first_time as started_at,
    null::timestamptz as ended_at,
    measured.last_time as last_updated_at,
    3600::double as time_step,
    null::varchar as provider_portal_url
from measured
inner join mode on measured.traffic_mode = mode.traffic_mode
cross join platform
