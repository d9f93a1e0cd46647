-- Days that are over: a day told twice, once half way, would tell of the few tickets in between.
with transit_stop_usage_day as (
    select * from {{ ref('transit_stop_usage_day') }}
),

last_seen as (
    select max(validation_date) as last_date from {{ ref('transit_validation') }}
),

stop as (
    select * from {{ ref('transit_stop') }}
)

select
    case transit_stop_usage_day.place_id
        when 'other' then 'AUTRES'
        when 'unknown' then 'INCONNU'
        else transit_stop_usage_day.place_id
    end as arret_id,
    case transit_stop_usage_day.place_id
        when 'other' then 'Autres arrêts'
        when 'unknown' then 'Arrêt non précisé'
        else stop.stop_name
    end as arret_nom,
    transit_stop_usage_day.place_count as nombre_arrets,
    stop.insee_code as code_insee,
    stop.commune_name as commune_nom,
    stop.longitude,
    stop.latitude,
    transit_stop_usage_day.business_date as date,
    transit_stop_usage_day.validation_count as validations
from transit_stop_usage_day
inner join last_seen on transit_stop_usage_day.business_date < last_seen.last_date
left join stop on transit_stop_usage_day.place_id = stop.stop_id
