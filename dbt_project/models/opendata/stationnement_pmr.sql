with space as (
    select * from {{ ref('equipment') }}
    where category = 'disabled_parking'
),

commune as (
    select * from {{ ref('commune') }}
)

select
    space.equipment_id as id_place,
    space.name as designation,
    space.address as adresse,
    space.insee_code as code_insee,
    commune.commune_name as commune_nom,
    space.longitude,
    space.latitude,
    case space.position_quality
        when 'given' then 'relevée'
        when 'swapped' then 'remise en ordre'
        else 'absente'
    end as position,
    nullif(space.unit_count, 0)::integer as nombre_places,
    space.installed_date as date_pose,
    space.producer_siren as siren_producteur,
    space.producer_ref as reference_producteur,
    space.listed_date as date_maj
from space
inner join commune on space.insee_code = commune.insee_code
