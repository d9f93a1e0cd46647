with hydrant as (
    select * from {{ ref('fire_hydrant') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    hydrant.insee_code as insee,
    hydrant.hydrant_id as id_sdis,
    hydrant.operator_ref as id_gestion,
    hydrant.operator_name as nom_gest,
    hydrant.field_ref as ref_terr,
    case hydrant.hydrant_type
        when 'pillar_hydrant' then 'PI'
        when 'underground_hydrant' then 'BI'
        when 'suction_point' then 'PA'
        when 'tank' then 'CI'
    end as type_pei,
    hydrant.local_type as type_rd,
    if(hydrant.diameter_mm in (80, 100, 150), hydrant.diameter_mm, null) as diam_pei,
    hydrant.pipe_diameter_mm as diam_cana,
    case hydrant.water_source
        when 'drinking_water_network' then 'reseau_aep'
        when 'irrigation_network' then 'reseau_irrigation'
        when 'tank' then 'citerne'
        when 'still_water' then 'plan_eau'
        when 'pool' then 'piscine'
        when 'well' then 'puits'
        when 'stream' then 'cours_eau'
    end as source_pei,
    case hydrant.ownership when 'public' then 'public' when 'private' then 'prive' end as statut,
    hydrant.owner_name as nom_etab,
    hydrant.location_comment as situation,
    hydrant.dynamic_pressure_bar as press_dyn,
    hydrant.static_pressure_bar as press_stat,
    hydrant.flow_m3_h as debit,
    hydrant.volume_m3 as volume,
    hydrant.is_available as disponible,
    hydrant.availability_date as date_dispo,
    hydrant.in_service_date as date_mes,
    hydrant.updated_date as date_maj,
    hydrant.technical_check_date as date_ct,
    hydrant.field_check_date as date_ro,
    hydrant.position_class as prec,
    round(hydrant.x_m, 2) as x,
    round(hydrant.y_m, 2) as y,
    hydrant.longitude as lon,
    hydrant.latitude as lat
from hydrant
inner join commune on hydrant.insee_code = commune.insee_code
