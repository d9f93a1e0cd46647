-- Connected sensors are published only where the register says that they stand outside, and never under their number.
with measure_hour as (
    select * from {{ ref('measure_hour') }}
),

measure as (
    select * from {{ ref('environment_measure') }}
),

thing as (
    select * from {{ ref('thing') }}
    where
        source_id in ('air_stations', 'soil_moisture', 'weather_stations')
        or (source_id = 'lorawan_uplinks' and use in ('météo urbaine', 'bruit', 'humidité du sol'))
),

location as (
    select * from {{ ref('location') }}
),

sensor as (
    select
        thing.thing_id,
        case
            when thing.source_id = 'lorawan_uplinks' then 'CAP-' || left(sha256(thing.native_id), 10)
            else thing.native_id
        end as published_id,
        thing.name,
        case thing.source_id
            when 'air_stations' then 'station de mesure de l''air'
            when 'soil_moisture' then 'sonde de sol'
            when 'weather_stations' then 'station météo'
            else 'capteur connecté'
        end as kind,
        case when location.commune_name is not null then location.insee_code end as insee_code,
        location.commune_name,
        location.longitude,
        location.latitude
    from thing
    left join location on thing.thing_id = location.thing_id
)

select
    sensor.published_id as capteur_id,
    sensor.name as capteur_nom,
    sensor.kind as capteur_type,
    sensor.insee_code as code_insee,
    sensor.commune_name as commune_nom,
    sensor.longitude,
    sensor.latitude,
    measure.measure_name as grandeur,
    measure.unit_name as unite,
    measure_hour.start_time as debut,
    {{ business_date('measure_hour.start_time') }} as date,
    extract('hour' from timezone('{{ var("time_zone") }}', measure_hour.start_time))::integer as heure,
    round(measure_hour.value, 2) as valeur,
    round(measure_hour.min_value, 2) as valeur_min,
    round(measure_hour.max_value, 2) as valeur_max,
    measure_hour.value_count as nombre_mesures,
    round(measure_hour.measured_share, 4) as part_mesuree,
    if(measure_hour.quality = 'good', 'valide', 'douteuse') as qualite,
    'indicative' as statut
from measure_hour
inner join measure
on measure_hour.source_id = measure.source_id and measure_hour.property_code = measure.property_code
inner join sensor on measure_hour.thing_id = sensor.thing_id
