-- The network as a whole: a substation is one customer. A day needs three of them, so that none can be worked out.
with heat_delivery_day as (
    select * from {{ ref('heat_delivery_day') }}
    where energy_kwh is not null
),

degree_day as (
    select * from {{ ref('degree_day') }}
),

thing as (
    select * from {{ ref('thing') }}
),

network as (
    select * from {{ ref('heat_network_identity') }}
),

commune as (
    select * from {{ ref('commune') }}
),

metered as (
    select
        heat_delivery_day.*,
        thing.source_id,
        heat_delivery_day.flow_temperature_cel is not null
        and heat_delivery_day.return_temperature_cel is not null
        and heat_delivery_day.volume_m3 > 0 as is_weighted
    from heat_delivery_day
    inner join thing on heat_delivery_day.thing_id = thing.thing_id
),

delivered as (
    select
        source_id,
        business_date,
        count(*)::integer as point_count,
        sum(energy_kwh) as energy_kwh,
        sum(volume_m3) as volume_m3,
        sum(flow_temperature_cel * volume_m3) filter (where is_weighted)
        / sum(volume_m3) filter (where is_weighted) as flow_cel,
        sum(return_temperature_cel * volume_m3) filter (where is_weighted)
        / sum(volume_m3) filter (where is_weighted) as return_cel,
        avg(measured_share) as measured_share
    from metered
    group by source_id, business_date
    having count(*) >= 3
),

rigour as (
    select
        business_date,
        avg(heating_degrees_simple_cel) as simple_cel,
        avg(heating_degrees_professional_cel) as professional_cel
    from degree_day
    group by business_date
)

select
    network.network_id as identifiant_reseau,
    network.network_name as nom_reseau,
    network.insee_code as code_insee,
    commune.commune_name as commune_nom,
    delivered.business_date as date,
    if(strftime(delivered.business_date, '%m-%d') between '05-21' and '09-30', 'hors chauffe', 'chauffe') as saison,
    delivered.point_count as nb_pdl,
    round(delivered.energy_kwh, 1) as livraisons_kwh,
    round(delivered.volume_m3, 2) as volume_m3,
    round(delivered.flow_cel, 1) as temperature_depart_c,
    round(delivered.return_cel, 1) as temperature_retour_c,
    round(delivered.measured_share, 4) as part_mesuree,
    round(rigour.professional_cel, 3) as degres_jours,
    round(rigour.simple_cel, 3) as degres_jours_meteo,
    case
        when rigour.professional_cel >= 1 then round(delivered.energy_kwh / rigour.professional_cel, 1)
    end as livraisons_par_degre_jour_kwh
from delivered
inner join network on delivered.source_id = network.source_id
left join commune on network.insee_code = commune.insee_code
left join rigour on delivered.business_date = rigour.business_date
