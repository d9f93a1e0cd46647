-- The delivery point's number is not published: ten digits of its hash stand for it.
with building_energy_day as (
    select * from {{ ref('building_energy_day') }}
),

thing as (
    select * from {{ ref('thing') }}
    where source_id = 'building_energy'
),

location as (
    select * from {{ ref('location') }}
)

select
    case when thing.is_registered then 'BAT-' else 'PDL-' end || left(sha256(thing.native_id), 10) as batiment_id,
    thing.name as batiment_nom,
    case
        when thing.use is null or thing.use in (
            'atelier', 'bureaux', 'gymnase', 'mairie', 'médiathèque', 'piscine', 'salle polyvalente', 'école'
        ) then thing.use
        else 'autre'
    end as usage,
    location.insee_code as code_insee,
    location.commune_name as commune_nom,
    location.longitude,
    location.latitude,
    building_energy_day.business_date as date,
    round(building_energy_day.energy_kwh, 3) as energie_kwh,
    round(building_energy_day.max_power_kw, 3) as puissance_max_kw,
    round(building_energy_day.measured_share, 4) as part_mesuree
from building_energy_day
inner join thing on building_energy_day.thing_id = thing.thing_id
left join location on building_energy_day.thing_id = location.thing_id
