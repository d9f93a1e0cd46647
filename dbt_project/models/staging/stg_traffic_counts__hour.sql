with traffic_hour as (
    select * from {{ source('bronze', 'traffic_counts__hour') }}
),

latest as (
    select * from traffic_hour
    qualify {{ is_latest_revision(['event_date', 'segment_id', 'start_time']) }}
)

select
    segment_id,
    segment_name,
    start_time,
    uptime,
    heavy_count,
    car_count,
    bike_count,
    pedestrian_count,
    v85_km_h,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
