with segment as (
    select * from {{ source('bronze', 'cycle_facilities__segment') }}
),

latest as (
    select * from segment
    where {{ is_latest_snapshot(source('bronze', 'cycle_facilities__segment')) }}
    qualify {{ is_latest_revision(['facility_id']) }}
)

select
    facility_id,
    network_class,
    route_names,
    osm_id,
    route_numbers,
    right_insee_code,
    right_facility,
    right_regime,
    right_direction,
    right_width_m,
    right_place,
    right_state,
    right_surface,
    left_insee_code,
    left_facility,
    left_regime,
    left_direction,
    left_width_m,
    left_place,
    left_state,
    left_surface,
    access_type,
    updated_date,
    traffic_speed_km_h,
    is_lit,
    service_year,
    comment as facility_comment,
    producer_name,
    source_projection,
    reference_map,
    longitude,
    latitude,
    geometry_wkt,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
