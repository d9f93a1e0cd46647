with asset as (
    select * from {{ source('bronze', 'asset_register__asset') }}
),

latest as (
    select * from asset
    where {{ is_latest_snapshot(source('bronze', 'asset_register__asset')) }}
    qualify {{ is_latest_revision(['source_id', 'native_id']) }}
)

select
    source_id,
    native_id,
    name,
    category,
    insee_code,
    longitude,
    latitude,
    use,
    floor_area_m2,
    commissioned_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
