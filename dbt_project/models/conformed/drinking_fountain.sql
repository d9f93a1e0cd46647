with fountain as (
    select * from {{ ref('stg_drinking_fountains__fountain') }}
),

equipment as (
    select * from {{ ref('equipment') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

-- as far apart as two people measure the same asset, see `equipment`
listed as (
    {{ nearest_equipment('fountain', 'fountain_id', 'fountain', 8) }}
),

located as (
    {{ with_commune('fountain') }}
)

select
    located.fountain_id,
    listed.equipment_id,
    located.fountain_type,
    located.model,
    located.operator_name,
    located.operator_siren,
    {{ has_luhn_key('located.operator_siren', 9) }} as is_operator_siren_valid,
    located.address,
    located.place_comment,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    round(located.longitude, 6) as longitude,
    round(located.latitude, 6) as latitude,
    located.access_condition,
    located.installed_date,
    located.out_of_service_date,
    located.is_accessible,
    located.can_fill_bottle,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join listed on located.fountain_id = listed.fountain_id
left join commune on located.insee_code = commune.insee_code
