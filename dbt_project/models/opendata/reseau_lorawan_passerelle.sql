-- Places are rounded to about a hundred metres: enough for coverage, too little to find the mast.
with lorawan_gateway_day as (
    select * from {{ ref('lorawan_gateway_day') }}
),

thing as (
    select * from {{ ref('thing') }}
),

location as (
    select * from {{ ref('location') }}
),

heard as (
    select distinct thing_id from lorawan_gateway_day
)

select
    'PAS-' || left(sha256(thing.native_id), 10) as passerelle_id,
    thing.name as passerelle_nom,
    case when location.commune_name is not null then location.insee_code end as code_insee,
    location.commune_name as commune_nom,
    round(location.longitude, 3) as longitude,
    round(location.latitude, 3) as latitude,
    thing.commissioned_date as date_mise_service
from heard
inner join thing on heard.thing_id = thing.thing_id
left join location on heard.thing_id = location.thing_id
