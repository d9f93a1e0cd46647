with segment as (
    select * from {{ ref('stg_cycle_facilities__segment') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

placed as (
    select
        *,
        right_insee_code as insee_code
    from segment
),

located as (
    {{ with_commune('placed') }}
)

select
    located.facility_id,
    located.network_class,
    located.route_names,
    located.osm_id,
    located.route_numbers,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.right_insee_code,
    located.left_insee_code,
    located.right_facility,
    located.right_regime,
    located.right_direction,
    located.right_width_m,
    located.right_place,
    located.right_state,
    located.right_surface,
    located.left_facility,
    located.left_regime,
    located.left_direction,
    located.left_width_m,
    located.left_place,
    located.left_state,
    located.left_surface,
    located.access_type,
    located.updated_date,
    located.traffic_speed_km_h,
    located.is_lit,
    located.service_year,
    located.facility_comment,
    located.producer_name,
    located.source_projection,
    located.reference_map,
    located.geometry_wkt,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
