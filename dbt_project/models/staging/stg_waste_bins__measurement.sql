with measurement as (
    select * from {{ source('bronze', 'waste_bins__measurement') }}
),

latest as (
    select * from measurement
    qualify {{ is_latest_revision(['event_date', 'bin_id', 'measure_time']) }}
)

select
    bin_id,
    bin_name,
    waste_stream,
    capacity_l,
    insee_code,
    longitude,
    latitude,
    measure_time,
    fill_level_pct,
    temperature_cel,
    battery_v,
    status,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
