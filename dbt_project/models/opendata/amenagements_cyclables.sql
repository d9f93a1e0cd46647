-- The commune of the middle of the segment stands for both sides that were declared alike; a left side that was
-- declared otherwise runs along a border.
with segment as (
    select * from {{ ref('cycle_facility') }}
    where commune_name is not null
)

select
    facility_id as id_local,
    network_class as reseau_loc,
    to_json(list_transform(string_split(route_names, ';'), lambda name: trim(name)))::varchar as nom_loc,
    osm_id as id_osm,
    route_numbers as num_iti,
    insee_code as code_com_d,
    right_facility as ame_d,
    right_regime as regime_d,
    right_direction as sens_d,
    right_width_m as largeur_d,
    right_place as local_d,
    right_state as statut_d,
    right_surface as revet_d,
    if(left_insee_code = right_insee_code, insee_code, left_insee_code) as code_com_g,
    left_facility as ame_g,
    left_regime as regime_g,
    left_direction as sens_g,
    left_width_m as largeur_g,
    left_place as local_g,
    left_state as statut_g,
    left_surface as revet_g,
    access_type as access_ame,
    updated_date as date_maj,
    traffic_speed_km_h::integer as trafic_vit,
    is_lit as lumiere,
    service_year::integer as d_service,
    facility_comment as comm,
    producer_name as source,
    source_projection as project_c,
    reference_map as ref_geo,
    geometry_wkt as geometrie
from segment
