with reading as (
    select * from {{ source('bronze', 'water_meters__reading') }}
),

latest as (
    select * from reading
    qualify {{ is_latest_revision(['event_date', 'meter_id', 'reading_time']) }}
)

select
    meter_id,
    reading_time,
    index_l,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
