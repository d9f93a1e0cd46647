-- Days that are over: a day told twice, once half way, would tell of the few sessions in between.
with wifi_usage_hour as (
    select * from {{ ref('wifi_usage_hour') }}
),

last_seen as (
    select max(start_date) as last_date from {{ ref('wifi_session') }}
),

thing as (
    select * from {{ ref('thing') }}
    where source_id = 'wifi_sessions'
),

location as (
    select * from {{ ref('location') }}
)

select
    thing.native_id as borne_id,
    thing.name as borne_nom,
    location.insee_code as code_insee,
    location.commune_name as commune_nom,
    location.longitude,
    location.latitude,
    wifi_usage_hour.business_date as date,
    wifi_usage_hour.start_hour as heure_debut,
    wifi_usage_hour.end_hour as heure_fin,
    wifi_usage_hour.session_count as sessions,
    round(wifi_usage_hour.mean_duration_min, 1) as duree_moyenne_min
from wifi_usage_hour
inner join last_seen on wifi_usage_hour.business_date < last_seen.last_date
inner join thing on wifi_usage_hour.thing_id = thing.thing_id
left join location on wifi_usage_hour.thing_id = location.thing_id
