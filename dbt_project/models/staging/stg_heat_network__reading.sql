with reading as (
    select * from {{ source('bronze', 'heat_network__reading') }}
),

latest as (
    select * from reading
    qualify {{ is_latest_revision(['event_date', 'substation_id', 'reading_time']) }}
)

select
    substation_id,
    meter_id,
    reading_time,
    energy_kwh,
    volume_m3,
    flow_temperature_cel,
    return_temperature_cel,
    status,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
