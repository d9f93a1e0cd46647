with declared as (
    select * from {{ source('bronze', 'contract__datastream') }}
)

select
    source_id,
    bronze_table,
    property_code,
    observed_property,
    unit_ucum,
    declared_step_min,
    is_counter,
    modulo
from declared
