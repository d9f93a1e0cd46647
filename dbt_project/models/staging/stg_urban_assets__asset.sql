with asset as (
    select * from {{ source('bronze', 'urban_assets__asset') }}
),

-- a producer may have several lists; each file is the whole of one
newest_list as (
    select * from asset
    qualify
        dense_rank() over (
            partition by series_id
            order by source_time desc, source_file desc, delivered_time desc, source_sha256 desc
        ) = 1
),

latest as (
    select * from newest_list
    qualify
        {{ is_latest_revision([
            'series_id', 'category', 'asset_ref', 'name', 'address', 'longitude', 'latitude', 'coordinates'
        ]) }}
)

select
    series_id,
    producer_siren,
    asset_ref,
    category,
    category_label,
    name,
    address,
    insee_code,
    commune_name,
    longitude,
    latitude,
    coordinates,
    installed_date,
    condition,
    unit_count,
    is_accessible,
    access,
    ssid,
    phone,
    photo_url,
    comment,
    extra,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
