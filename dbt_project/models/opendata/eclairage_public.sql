with light_point as (
    select * from {{ ref('light_point') }}
    where longitude is not null and latitude is not null
),

cabinet as (
    select * from {{ ref('lighting_cabinet') }}
)

select
    light_point.light_point_id as point_id,
    light_point.cabinet_id as armoire_id,
    case light_point.lamp_type
        when 'led' then 'LED'
        when 'high_pressure_sodium' then 'sodium haute pression'
        when 'metal_halide' then 'iodures métalliques'
        else if(light_point.lamp_type is null, null, 'autre')
    end as lampe,
    light_point.luminaire,
    light_point.power_w as puissance_w,
    light_point.colour_temperature_k::integer as temperature_couleur_k,
    light_point.height_m as hauteur_m,
    case cabinet.control_mode
        when 'full_night' then 'nuit entière'
        when 'part_night' then 'coupure nocturne'
        else if(cabinet.control_mode is null, null, 'autre')
    end as regime,
    case when cabinet.control_mode = 'part_night' then cabinet.cut_from end as heure_extinction,
    case when cabinet.control_mode = 'part_night' then cabinet.cut_to end as heure_rallumage,
    light_point.street as voie,
    case when light_point.commune_name is not null then light_point.insee_code end as code_insee,
    light_point.commune_name as commune_nom,
    round(light_point.longitude, 6) as longitude,
    round(light_point.latitude, 6) as latitude,
    light_point.installed_date as date_pose,
    case
        when light_point.is_in_supplier_database and light_point.is_in_inventory then 'exploitant et relevé'
        when light_point.is_in_supplier_database then 'exploitant'
        else 'relevé'
    end as origine
from light_point
left join cabinet on light_point.cabinet_id = cabinet.cabinet_id
