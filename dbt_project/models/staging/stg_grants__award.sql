with award as (
    select * from {{ source('bronze', 'grants__award') }}
),

-- each file is the whole list of a budget year
newest_list as (
    select * from award
    qualify
        dense_rank() over (
            partition by list_year
            order by source_time desc, source_file desc, delivered_time desc, source_sha256 desc
        ) = 1
),

latest as (
    select * from newest_list
    qualify {{ is_latest_revision(['list_year', 'fiscal_year', 'grant_id']) }}
)

select
    grant_id,
    fiscal_year,
    beneficiary_name,
    -- a spreadsheet's number has lost its leading zero
    case
        when regexp_full_match(beneficiary_siret, '\d{13}') then '0' || beneficiary_siret
        else beneficiary_siret
    end as beneficiary_siret,
    beneficiary_rna,
    commune_name,
    purpose,
    amount_eur,
    nature,
    payment_terms,
    first_payment_date,
    last_payment_date,
    deliberation_id,
    decision_date,
    convention_date,
    is_eu_notified,
    beneficiary_share,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
