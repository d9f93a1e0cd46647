with asset as (
    select * from {{ ref('stg_asset_register__asset') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    asset.source_id || ':' || asset.native_id as thing_id,
    asset.insee_code,
    commune.commune_name,
    asset.longitude,
    asset.latitude
from asset
left join commune on asset.insee_code = commune.insee_code
where asset.insee_code is not null or asset.longitude is not null
