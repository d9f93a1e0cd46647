-- Public gauging stations alone: levels of drinking-water works stay inside.
with measure_hour as (
    select * from {{ ref('measure_hour') }}
    where source_id = 'hydrometry'
),

thing as (
    select * from {{ ref('thing') }}
),

location as (
    select * from {{ ref('location') }}
),

level as (
    select * from measure_hour
    where property_code = 'height'
),

flow as (
    select * from measure_hour
    where property_code = 'discharge'
),

station_hour as (
    select
        coalesce(level.thing_id, flow.thing_id) as thing_id,
        coalesce(level.start_time, flow.start_time) as start_time,
        level.value / 1000 as level_m,
        level.min_value / 1000 as min_level_m,
        level.max_value / 1000 as max_level_m,
        flow.value / 1000 as flow_m3_s,
        coalesce(level.measured_share, 0) as level_share,
        coalesce(flow.measured_share, 0) as flow_share,
        coalesce(level.quality, 'good') = 'good' and coalesce(flow.quality, 'good') = 'good' as is_good
    from level
    full join flow on level.thing_id = flow.thing_id and level.start_time = flow.start_time
)

select
    thing.native_id as code_station,
    thing.name as station_nom,
    case when location.commune_name is not null then location.insee_code end as code_insee,
    location.commune_name as commune_nom,
    location.longitude,
    location.latitude,
    station_hour.start_time as debut,
    {{ business_date('station_hour.start_time') }} as date,
    round(station_hour.level_m, 3) as hauteur_m,
    round(station_hour.min_level_m, 3) as hauteur_min_m,
    round(station_hour.max_level_m, 3) as hauteur_max_m,
    round(station_hour.flow_m3_s, 3) as debit_m3_s,
    round(station_hour.level_share, 4) as part_mesuree_hauteur,
    round(station_hour.flow_share, 4) as part_mesuree_debit,
    if(station_hour.is_good, 'valide', 'douteuse') as qualite,
    'temps réel' as statut
from station_hour
inner join thing on station_hour.thing_id = thing.thing_id
left join location on station_hour.thing_id = location.thing_id
