with reading as (
    select * from {{ source('bronze', 'soil_moisture__reading') }}
),

latest as (
    select * from reading
    qualify {{ is_latest_revision(['event_date', 'probe_id', 'reading_time']) }}
)

select
    probe_id,
    reading_time,
    moisture_10cm_pct,
    moisture_30cm_pct,
    moisture_60cm_pct,
    soil_temperature_cel,
    battery_v,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
