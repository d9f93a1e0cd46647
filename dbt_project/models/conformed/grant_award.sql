with award as (
    select * from {{ ref('stg_grants__award') }}
),

commune as (
    select
        *,
        replace(strip_accents(lower(commune_name)), '-', ' ') as plain_name
    from {{ ref('commune') }}
),

-- Luhn's rule: every second digit from the right counts double, and its own digits are added
digit as (
    select
        grant_id,
        unnest(range(14)) as position,
        beneficiary_siret
    from award
    where regexp_full_match(beneficiary_siret, '\d{14}')
),

weighed as (
    select
        grant_id,
        substr(beneficiary_siret, 14 - position, 1)::integer * (1 + position % 2) as weight
    from digit
),

luhn as (
    select
        grant_id,
        sum(weight // 10 + weight % 10) % 10 = 0 as is_siret_valid
    from weighed
    group by grant_id
)

select
    award.grant_id,
    award.fiscal_year,
    award.beneficiary_name,
    award.beneficiary_siret,
    coalesce(luhn.is_siret_valid, false) as is_siret_valid,
    award.beneficiary_rna,
    commune.insee_code,
    coalesce(commune.commune_name, award.commune_name) as commune_name,
    award.purpose,
    award.amount_eur,
    award.beneficiary_share,
    round(award.amount_eur * award.beneficiary_share, 2) as beneficiary_amount_eur,
    award.nature,
    award.payment_terms,
    award.first_payment_date,
    award.last_payment_date,
    award.deliberation_id,
    award.decision_date,
    award.convention_date,
    award.is_eu_notified,
    award.source_file,
    award.source_sha256,
    award.source_row
from award
left join luhn on award.grant_id = luhn.grant_id
left join commune on replace(strip_accents(lower(award.commune_name)), '-', ' ') = commune.plain_name
