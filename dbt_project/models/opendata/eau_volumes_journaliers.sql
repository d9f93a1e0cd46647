-- No coordinates: the place of drinking-water works is sensitive. Large meters leave only as one total, and only when
-- at least 11 of them contribute.
with water_volume_day as (
    select * from {{ ref('water_volume_day') }}
),

thing as (
    select * from {{ ref('thing') }}
),

location as (
    select * from {{ ref('location') }}
),

unit_day as (
    select
        thing.native_id as site_id,
        thing.name as site_nom,
        case thing.category
            when 'usine' then 'production'
            when 'reservoir' then 'distribution'
            else 'sectorisation'
        end as nature,
        location.insee_code as code_insee,
        location.commune_name as commune_nom,
        water_volume_day.business_date as date,
        sum(water_volume_day.volume_m3) as volume_m3,
        avg(water_volume_day.measured_share) as part_mesuree,
        count(*)::integer as nombre_compteurs
    from water_volume_day
    inner join thing on water_volume_day.thing_id = thing.thing_id
    left join location on water_volume_day.thing_id = location.thing_id
    where thing.source_id = 'water_scada' and thing.category in ('usine', 'reservoir', 'chambre')
    group by all
),

large_meter_day as (
    select
        'GROS-CONSOMMATEURS' as site_id,
        'Gros consommateurs (ensemble)' as site_nom,
        'gros consommateurs' as nature,
        null::varchar as code_insee,
        null::varchar as commune_nom,
        business_date as date,
        sum(volume_m3) as volume_m3,
        avg(measured_share) as part_mesuree,
        count(distinct thing_id)::integer as nombre_compteurs
    from water_volume_day
    where thing_id like 'water_meters:%'
    group by business_date
    having count(distinct thing_id) >= 11
),

volume as (
    select * from unit_day
    union all by name
    select * from large_meter_day
)

select
    site_id,
    site_nom,
    nature,
    code_insee,
    commune_nom,
    date,
    round(volume_m3, 3) as volume_m3,
    round(part_mesuree, 4) as part_mesuree,
    nombre_compteurs
from volume
