with reading as (
    select * from {{ source('bronze', 'water_loggers__reading') }}
),

latest as (
    select * from reading
    qualify {{ is_latest_revision(['event_date', 'logger_id', 'reading_time']) }}
)

select
    logger_id,
    reading_time,
    flow_m3_h,
    pressure_bar,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
