with bulletin as (
    select * from {{ source('bronze', 'water_loggers__bulletin') }}
),

latest as (
    select * from bulletin
    qualify {{ is_latest_revision(['event_date', 'logger_id', 'bulletin_date']) }}
)

select
    logger_id,
    bulletin_date,
    volume_m3,
    flow_min_m3_h,
    flow_max_m3_h,
    flow_mean_m3_h,
    flow_night_m3_h,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
