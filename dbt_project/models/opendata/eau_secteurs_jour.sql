-- No coordinates: the place of drinking-water works is sensitive. An area of under 11 connections would tell of its
-- inhabitants. The night flow is compared with the median of the 28 nights before, once 5 of them are known.
with water_sector_day as (
    select * from {{ ref('water_sector_day') }}
),

sector as (
    select * from {{ ref('water_sector') }}
    where connection_count >= 11
),

compared as (
    select
        *,
        count(night_flow_m3_h) over last_nights as known_nights,
        median(night_flow_m3_h) over last_nights as usual_m3_h,
        -- A robust standard deviation; at least a fiftieth of the flow, as loggers are no finer.
        greatest(1.4826 * mad(night_flow_m3_h) over last_nights, 0.02 * median(night_flow_m3_h) over last_nights)
            as spread_m3_h
    from water_sector_day
    window
        last_nights as (
            partition by sector_id order by business_date
            range between interval 28 days preceding and interval 1 day preceding
        )
)

select
    sector.sector_id as secteur_id,
    sector.name as secteur_nom,
    sector.insee_code as code_insee,
    sector.commune_name as commune_nom,
    compared.business_date as date,
    round(compared.inflow_m3, 3) as volume_entrant_m3,
    round(compared.outflow_m3, 3) as volume_sortant_m3,
    round(compared.volume_m3, 3) as volume_m3,
    round(compared.measured_share, 4) as part_mesuree,
    round(compared.mean_flow_m3_h, 3) as debit_moyen_m3_h,
    round(compared.night_flow_m3_h, 3) as debit_nocturne_m3_h,
    round(compared.least_hour_flow_m3_h, 3) as debit_minimum_nocturne_m3_h,
    round(compared.night_flow_m3_h / nullif(compared.mean_flow_m3_h, 0), 4) as indice_nocturne,
    case when compared.known_nights >= 5 then round(compared.usual_m3_h, 3) end as debit_nocturne_habituel_m3_h,
    round(compared.loss_m3, 3) as pertes_estimees_m3,
    round(compared.linear_loss_m3_km, 3) as indice_lineaire_pertes_m3_km,
    case
        when compared.night_flow_m3_h is null or compared.known_nights < 5 then 'indéterminée'
        when compared.night_flow_m3_h > compared.usual_m3_h + 5 * compared.spread_m3_h then 'alerte'
        when compared.night_flow_m3_h > compared.usual_m3_h + 3 * compared.spread_m3_h then 'vigilance'
        else 'aucune'
    end as alerte,
    sector.network_km as lineaire_km,
    sector.connection_count::integer as nombre_branchements
from compared
inner join sector on compared.sector_id = sector.sector_id
