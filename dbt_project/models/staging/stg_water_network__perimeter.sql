with perimeter as (
    select * from {{ source('bronze', 'water_network__perimeter') }}
),

latest as (
    select * from perimeter
    where {{ is_latest_snapshot(source('bronze', 'water_network__perimeter')) }}
    qualify {{ is_latest_revision(['perimeter_id']) }}
)

select
    perimeter_id,
    siren,
    authority_name,
    sispea_id,
    service_state,
    perimeter_type,
    geometry_wkt,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
