with reading as (
    select * from {{ source('bronze', 'water_scada__reading') }}
),

latest as (
    select * from reading
    qualify {{ is_latest_revision(['event_date', 'unit_id', 'channel_id', 'reading_time']) }}
)

select
    unit_id,
    channel_id,
    channel_label,
    reading_time,
    value,
    unit as source_unit,
    quality as source_quality,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
