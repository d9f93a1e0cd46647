with commune as (
    select * from {{ ref('stg_territory__commune') }}
)

select
    insee_code,
    commune_name,
    siren,
    population,
    population_total,
    longitude,
    latitude
from commune
