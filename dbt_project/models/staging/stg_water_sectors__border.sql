with border as (
    select * from {{ source('bronze', 'water_sectors__border') }}
),

latest as (
    select * from border
    where {{ is_latest_snapshot(source('bronze', 'water_sectors__border')) }}
    qualify {{ is_latest_revision(['sector_id', 'logger_id']) }}
)

select
    sector_id,
    sector_name,
    insee_code,
    logger_id,
    sign,
    network_km,
    connection_count,
    resident_count,
    night_pressure_m,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
