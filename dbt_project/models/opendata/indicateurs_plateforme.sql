-- Sources whose contract says that nothing of them may leave stay out, even by their figures.
with source_day as (
    select * from {{ ref('source_day') }}
),

platform as (
    select * from {{ ref('platform') }}
    where not is_confidential
)

select
    source_day.source_id,
    platform.title as source_nom,
    platform.platform as plateforme,
    platform.department as service,
    case platform.cadence
        when 'hourly' then 'horaire'
        when 'daily' then 'quotidienne'
        when 'weekly' then 'hebdomadaire'
        when 'monthly' then 'mensuelle'
        when 'yearly' then 'annuelle'
    end as cadence,
    source_day.received_date as date,
    source_day.file_count::integer as fichiers_recus,
    source_day.duplicate_file_count::integer as fichiers_deja_recus,
    source_day.held_file_count::integer as fichiers_refuses,
    source_day.received_bytes::double as octets_recus,
    source_day.read_row_count::integer as lignes_lues,
    source_day.loaded_row_count::integer as lignes_chargees,
    source_day.duplicate_row_count::integer as lignes_deja_connues,
    source_day.quarantined_row_count::integer as lignes_ecartees,
    source_day.gap_days::integer as jours_depuis_livraison,
    source_day.is_timely as a_temps
from source_day
inner join platform on source_day.source_id = platform.source_id
