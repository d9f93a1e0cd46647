with inventory as (
    select * from {{ source('bronze', 'lighting__inventory') }}
),

latest as (
    select * from inventory
    where {{ is_latest_snapshot(source('bronze', 'lighting__inventory')) }}
)

select
    light_point_id,
    luminaire,
    height_m,
    insee_code,
    longitude,
    latitude,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
