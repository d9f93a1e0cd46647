with perimeter as (
    select * from {{ ref('stg_water_network__perimeter') }}
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
    source_row
from perimeter
