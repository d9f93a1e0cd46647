with contract as (
    select * from {{ ref('stg_contract__source') }}
)

select
    source_id,
    title,
    platform,
    department,
    supplier,
    owner_email,
    cadence,
    criticality,
    licence,
    legal_basis,
    integration,
    contract_end_date,
    cost_eur_year,
    retention_months,
    is_personal,
    is_confidential
from contract
