with rack as (
    select * from {{ ref('bike_parking') }}
    where commune_name is not null
)

select
    rack_id as id_local,
    null::varchar as id_osm,
    insee_code as code_com,
    '[' || longitude::decimal(9, 6) || ',' || latitude::decimal(9, 6) || ']' as coordonneesxy,
    capacity::integer as capacite,
    cargo_capacity::integer as capacite_cargo,
    fastening as type_accroche,
    furniture as mobilier,
    access as acces,
    is_free_of_charge as gratuit,
    protection,
    is_covered as couverture,
    is_watched as surveillance,
    is_lit as lumiere,
    website_url as url_info,
    service_year::integer as d_service,
    producer_name as source,
    owner_name as proprietaire,
    operator_name as gestionnaire,
    updated_date as date_maj,
    rack_comment as commentaires
from rack
