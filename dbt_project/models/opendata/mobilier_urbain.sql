with furniture as (
    select * from {{ ref('equipment') }}
    where category in ('bench', 'litter_bin')
),

commune as (
    select * from {{ ref('commune') }}
)

select
    furniture.equipment_id as id_mobilier,
    case furniture.category when 'bench' then 'Banc' when 'litter_bin' then 'Corbeille' end as type,
    furniture.name as designation,
    furniture.address as adresse,
    furniture.insee_code as code_insee,
    commune.commune_name as commune_nom,
    furniture.longitude,
    furniture.latitude,
    furniture.installed_date as date_pose,
    case lower(furniture.condition)
        when 'bon' then 'Bon' when 'moyen' then 'Moyen' when 'mauvais' then 'Mauvais'
    end as etat,
    furniture.unit_count::integer as nombre,
    furniture.is_accessible as accessible_pmr,
    furniture.attributes ->> '$.photo_url' as photo,
    furniture.producer_siren as siren_producteur,
    furniture.producer_ref as reference_producteur,
    furniture.listed_date as date_maj
from furniture
inner join commune on furniture.insee_code = commune.insee_code
