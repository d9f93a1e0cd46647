-- Legal persons only. What the standard requires and no source says is not made up: such a grant stays out.
with grant_award as (
    select * from {{ ref('grant_award') }}
),

deliberation as (
    select * from {{ ref('deliberation') }}
),

-- the council that decides grants, for those whose act is not among the exported ones
authority as (
    select
        authority_siret,
        authority_name
    from deliberation
    group by authority_siret, authority_name
    order by count(*) desc, authority_siret
    limit 1
),

act as (
    select
        deliberation_id,
        min(authority_siret) as authority_siret,
        min(authority_name) as authority_name
    from deliberation
    group by deliberation_id
    having count(*) = 1
),

identified as (
    select
        *,
        case when is_siret_valid then beneficiary_siret end as published_siret,
        case when regexp_full_match(beneficiary_rna, 'W\d{9}') then beneficiary_rna end as published_rna
    from grant_award
    -- a sole trader has a SIRET too: who is called Mr or Mrs is a person
    where not regexp_matches(beneficiary_name, '^\s*(m|mm|mr|mme|mmes|mlle|monsieur|madame|mademoiselle)\b[. ]', 'i')
)

select
    coalesce(act.authority_name, authority.authority_name) as nomAttribuant,  -- noqa: CP02
    coalesce(act.authority_siret, authority.authority_siret) as idAttribuant,  -- noqa: CP02
    coalesce(identified.convention_date, identified.decision_date) as dateConvention,  -- noqa: CP02
    identified.deliberation_id as referenceDecision,  -- noqa: CP02
    identified.beneficiary_name as nomBeneficiaire,  -- noqa: CP02
    identified.published_siret as idBeneficiaire,  -- noqa: CP02
    identified.published_rna as rnaBeneficiaire,  -- noqa: CP02
    left(identified.purpose, 256) as objet,
    identified.amount_eur as montant,
    case identified.nature
        when 'cash' then 'aide en numéraire'
        when 'in_kind' then 'aide en nature'
        when 'cash_and_in_kind' then 'aide en numéraire;aide en nature'
    end as nature,
    case identified.payment_terms
        when 'single' then 'unique'
        when 'staged' then 'échelonné'
        else left(identified.payment_terms, 256)
    end as conditionsVersement,  -- noqa: CP02
    concat_ws(
        '/',
        identified.first_payment_date::varchar,
        case
            when identified.last_payment_date > identified.first_payment_date
                then identified.last_payment_date::varchar
        end
    ) as datesPeriodeVersement,  -- noqa: CP02
    null::varchar as idRAE,  -- noqa: CP02
    identified.is_eu_notified as notificationUE,  -- noqa: CP02
    identified.beneficiary_share as pourcentageSubvention,  -- noqa: CP02
    null::varchar as dispositifAide  -- noqa: CP02
from identified
left join act on identified.deliberation_id = act.deliberation_id
left join authority on true
where
    coalesce(identified.published_siret, identified.published_rna) is not null
    and identified.payment_terms is not null
    and identified.first_payment_date is not null
    and identified.is_eu_notified is not null
    and identified.beneficiary_share >= 0.01
