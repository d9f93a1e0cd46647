with asset as (
    select * from {{ ref('stg_asset_register__asset') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

statement as (
    select * from {{ ref('int_corrections__statement') }}
),

listed as (
    select * from {{ ref('int_platform__asset') }}
),

commune as (
    select * from {{ ref('commune') }}
),

placed as (
    select
        source_id || ':' || native_id as thing_id,
        insee_code,
        longitude,
        latitude
    from asset
    where insee_code is not null or longitude is not null
),

registered as (
    {{ with_commune('placed') }}
),

located as (
    select
        thing_id,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from registered
    union all
    -- what the register does not place is where its platform says
    select
        thing_id,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from listed
    where
        (insee_code is not null or longitude is not null)
        and thing_id not in (select registered.thing_id from registered)
),

corrected as (
    {{ corrected('located', 'location') }}
)

select
    corrected.thing_id,
    corrected.insee_code,
    corrected.insee_code_quality,
    commune.commune_name,
    corrected.longitude,
    corrected.latitude,
    corrected.correction_ids
from corrected
left join commune on corrected.insee_code = commune.insee_code
