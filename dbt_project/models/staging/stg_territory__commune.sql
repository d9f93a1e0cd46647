with commune as (
    select * from {{ source('bronze', 'territory__commune') }}
)

select
    insee_code,
    name as commune_name,
    siren,
    population,
    population_total,
    longitude,
    latitude
from commune
