with fountain as (
    select * from {{ ref('stg_drinking_fountains__fountain') }}
),

equipment as (
    select * from {{ ref('equipment') }}
),

commune as (
    select * from {{ ref('commune') }}
),

-- as far apart as two people measure the same asset, see `equipment`
listed as (
    {{ nearest_equipment('fountain', 'fountain_id', 'fountain', 8) }}
)

select
    fountain.fountain_id,
    listed.equipment_id,
    fountain.fountain_type,
    fountain.model,
    fountain.operator_name,
    fountain.operator_siren,
    {{ has_luhn_key('fountain.operator_siren', 9) }} as is_operator_siren_valid,
    fountain.address,
    fountain.place_comment,
    fountain.insee_code,
    commune.commune_name,
    round(fountain.longitude, 6) as longitude,
    round(fountain.latitude, 6) as latitude,
    fountain.access_condition,
    fountain.installed_date,
    fountain.out_of_service_date,
    fountain.is_accessible,
    fountain.can_fill_bottle,
    fountain.source_file,
    fountain.source_sha256,
    fountain.source_row
from fountain
left join listed on fountain.fountain_id = listed.fountain_id
left join commune on fountain.insee_code = commune.insee_code
