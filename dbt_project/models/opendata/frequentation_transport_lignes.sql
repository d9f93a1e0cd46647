-- Days that are over: a day told twice, once half way, would tell of the few tickets in between.
with transit_line_usage_hour as (
    select * from {{ ref('transit_line_usage_hour') }}
),

last_seen as (
    select max(validation_date) as last_date from {{ ref('transit_validation') }}
),

route as (
    select * from {{ ref('transit_route') }}
)

select
    case transit_line_usage_hour.line_id
        when 'other' then 'AUTRES'
        when 'unknown' then 'INCONNUE'
        else transit_line_usage_hour.line_id
    end as ligne_id,
    case transit_line_usage_hour.line_id
        when 'other' then 'Autres lignes'
        when 'unknown' then 'Ligne non précisée'
        else route.long_name
    end as ligne_nom,
    transit_line_usage_hour.line_count as nombre_lignes,
    transit_line_usage_hour.business_date as date,
    transit_line_usage_hour.start_hour as heure_debut,
    transit_line_usage_hour.end_hour as heure_fin,
    transit_line_usage_hour.validation_count as validations
from transit_line_usage_hour
inner join last_seen on transit_line_usage_hour.business_date < last_seen.last_date
left join route on transit_line_usage_hour.line_id = route.route_id
