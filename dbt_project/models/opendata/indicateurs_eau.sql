-- A few complaints are a few people: between 1 and 10 they are not published, nor is the ratio that would give them.
with water_indicator_year as (
    select * from {{ ref('water_indicator_year') }}
),

indicator as (
    select * from {{ ref('water_indicator') }}
),

secret as (
    select
        *,
        indicator_code = 'P155.1' and numerator between 1 and 10 as is_secret
    from water_indicator_year
)

select
    secret.service_id,
    secret.siren,
    case when secret.is_delegated then 'délégation' else 'régie' end as mode_gestion,
    secret.insee_code as code_insee,
    secret.commune_name as commune_nom,
    secret.year as annee,
    make_date(secret.year, 12, 31) as date_fin,
    secret.indicator_code as code,
    indicator.label as libelle,
    case when not secret.is_secret then round(secret.value, 3) end as valeur,
    indicator.unit as unite,
    case when not secret.is_secret then round(secret.numerator, 3) end as numerateur,
    case when not secret.is_secret then round(secret.denominator, 3) end as denominateur,
    indicator.factor as facteur,
    indicator.formula as formule,
    round(secret.declared_value, 3) as valeur_declaree,
    case
        when secret.is_secret or secret.value is null then 'non disponible'
        when secret.closing_date >= make_date(secret.year, 12, 31) then 'consolidé'
        else 'provisoire'
    end as statut,
    case
        when secret.is_secret then 'Moins de 11 réclamations : valeur tenue secrète'
        when secret.missing_reason = 'no_source' then indicator.missing_input
        when secret.missing_reason = 'no_report' then 'Aucun rapport annuel reçu pour ce service'
        when secret.missing_reason = 'too_few_years' then 'Moins de cinq exercices connus'
        when secret.missing_reason = 'no_figure' then 'Chiffre absent du rapport annuel'
    end as motif
from secret
inner join indicator on secret.indicator_code = indicator.indicator_code
