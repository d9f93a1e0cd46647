with zone as (
    select * from {{ ref('pedestrian_zone') }}
    where commune_name is not null
)

select
    zone_id as id_zone,
    zone_name as nom,
    case zone_type
        when 'pedestrian_area' then 'AIRE PIETONNE'
        when 'shared_zone' then 'ZONE DE RENCONTRE'
        when 'school_street' then 'RUE SCOLAIRE'
    end as regime,
    insee_code as code_insee,
    commune_name as commune_nom,
    order_number as numero_arrete,
    order_date as date_arrete,
    start_date as date_debut,
    end_date as date_fin,
    opening_hours as horaires,
    delivery_hours as horaires_livraison,
    is_open_to_cyclists as velos_admis,
    round(area_m2) as surface_m2,
    longitude,
    latitude,
    listed_date as date_maj,
    geometry_wkt as geometrie
from zone
