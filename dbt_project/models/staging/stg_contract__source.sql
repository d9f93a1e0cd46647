with contract as (
    select * from {{ source('bronze', 'contract__source') }}
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
    legal_basis
from contract
