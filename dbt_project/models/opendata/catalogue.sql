-- What was received is what can be published: a dataset whose sources gave nothing yet is not in the catalogue.
with dataset as (
    select * from {{ ref('dataset') }}
    where last_received_date is not null
),

-- the authority's establishment, as its own acts name it
authority as (
    select authority_siret
    from {{ ref('deliberation') }}
    group by authority_siret
    order by count(*) desc, authority_siret
    limit 1
)

select
    dataset.publisher_name as COLL_NOM,  -- noqa: CP02
    authority.authority_siret as COLL_SIRET,  -- noqa: CP02
    dataset.dataset_id as ID,  -- noqa: CP02
    dataset.title as TITRE,  -- noqa: CP02
    dataset.description as DESCRIPTION,  -- noqa: CP02, AL09
    dataset.theme as THEME,  -- noqa: CP02, AL09
    dataset.publisher_name as PRODUCTEUR_NOM,  -- noqa: CP02
    authority.authority_siret as PRODUCTEUR_SIRET,  -- noqa: CP02
    'Intercommunale' as COUV_SPAT_MAILLE,  -- noqa: CP02
    dataset.publisher_name as COUV_SPAT_NOM,  -- noqa: CP02
    dataset.first_data_date as COUV_TEMP_DEBUT,  -- noqa: CP02
    dataset.last_data_date as COUV_TEMP_FIN,  -- noqa: CP02
    dataset.issued_date as DATE_PUBL,  -- noqa: CP02
    case dataset.frequency_code
        when 'CONT' then 'Continuelle'
        when 'HOURLY' then 'Toutes les heures'
        when 'DAILY' then 'Quotidienne ou plusieurs fois par jour'
        when 'WEEKLY' then 'Hebdomadaire ou plusieurs fois par semaine'
        when 'MONTHLY' then 'Mensuelle ou plusieurs fois par mois'
        when 'QUARTERLY' then 'Trimestrielle'
        when 'ANNUAL' then 'Annuelle'
        when 'IRREG' then 'Irrégulière'
        else 'Inconnue'
    end as FREQ_MAJ,  -- noqa: CP02
    greatest(dataset.issued_date, dataset.last_received_date) as DATE_MAJ,  -- noqa: CP02
    dataset.keywords as MOTS_CLES,  -- noqa: CP02
    'Licence Ouverte-LO' as LICENCE,  -- noqa: CP02
    dataset.file_count::integer as NOMBRE_RESSOURCES,  -- noqa: CP02
    dataset.file_formats as FORMAT_RESSOURCES,  -- noqa: CP02
    dataset.page_url as URL  -- noqa: CP02
from dataset
cross join authority
