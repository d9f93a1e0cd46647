-- Connected sensors that the register says are indoors. A room has neither name nor place, and nothing is finer than a
-- day: nobody's presence can be followed.
with ambient_air_day as (
    select * from {{ ref('ambient_air_day') }}
),

thing as (
    select * from {{ ref('thing') }}
),

location as (
    select * from {{ ref('location') }}
),

-- A building that its electricity meter stands for has the identifier under which its consumption is published; where
-- several controllers share a building, each keeps its own.
meter as (
    select
        source_id,
        native_id,
        min(thing_id) as meter_id
    from {{ ref('thing_reference') }}
    where decided and source_id = 'building_bms' and thing_id like 'building_energy:%'
    group by source_id, native_id
    qualify count(*) over (partition by min(thing_id)) = 1
),

place as (
    select
        thing.thing_id,
        coalesce(split_part(meter.meter_id, ':', 2), thing.native_id) as native_id,
        thing.source_id = 'building_bms' as is_building,
        thing.name,
        thing.use,
        case when location.commune_name is not null then location.insee_code end as insee_code,
        location.commune_name,
        location.longitude,
        location.latitude
    from thing
    left join location on thing.thing_id = location.thing_id
    left join meter on thing.source_id = meter.source_id and thing.native_id = meter.native_id
    where thing.source_id = 'building_bms' or thing.use = 'qualité de l''air intérieur'
)

select
    if(place.is_building, 'BAT-', 'SAL-') || left(sha256(place.native_id), 10) as lieu_id,
    if(place.is_building, 'bâtiment', 'salle') as lieu_type,
    case when place.is_building then place.name end as lieu_nom,
    case
        when not place.is_building or place.use is null then null
        when place.use in (
            'atelier', 'bureaux', 'gymnase', 'mairie', 'médiathèque', 'piscine', 'salle polyvalente', 'école'
        ) then place.use
        else 'autre'
    end as usage,
    place.insee_code as code_insee,
    place.commune_name as commune_nom,
    case when place.is_building then place.longitude end as longitude,
    case when place.is_building then place.latitude end as latitude,
    ambient_air_day.business_date as date,
    round(ambient_air_day.co2_mean_ppm) as co2_moyen_ppm,
    round(ambient_air_day.co2_max_ppm) as co2_max_ppm,
    round(ambient_air_day.co2_open_mean_ppm) as co2_moyen_ouverture_ppm,
    round(ambient_air_day.co2_over_800_share, 4) as part_co2_plus_800,
    round(ambient_air_day.co2_over_1500_share, 4) as part_co2_plus_1500,
    round(ambient_air_day.confinement_index, 2) as indice_confinement,
    round(ambient_air_day.confinement_index)::integer as classe_confinement,
    round(ambient_air_day.temperature_mean_cel, 1) as temperature_moyenne_c,
    round(ambient_air_day.temperature_min_cel, 1) as temperature_min_c,
    round(ambient_air_day.temperature_max_cel, 1) as temperature_max_c,
    round(ambient_air_day.humidity_mean_pct) as humidite_moyenne_pct,
    round(ambient_air_day.measured_share, 4) as part_mesuree,
    round(ambient_air_day.open_measured_share, 4) as part_mesuree_ouverture,
    'indicative' as statut
from ambient_air_day
inner join place on ambient_air_day.thing_id = place.thing_id
