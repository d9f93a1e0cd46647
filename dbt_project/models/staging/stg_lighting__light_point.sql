with light_point as (
    select * from {{ source('bronze', 'lighting__light_point') }}
),

latest as (
    select * from light_point
    where {{ is_latest_snapshot(source('bronze', 'lighting__light_point')) }}
    qualify {{ is_latest_revision(['light_point_id']) }}
)

select
    light_point_id,
    cabinet_id,
    lamp_type,
    luminaire,
    power_w,
    colour_temperature_k,
    height_m,
    street,
    insee_code,
    longitude,
    latitude,
    installed_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
