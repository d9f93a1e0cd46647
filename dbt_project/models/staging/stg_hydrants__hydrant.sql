with hydrant as (
    select * from {{ source('bronze', 'hydrants__hydrant') }}
),

latest as (
    select * from hydrant
    where {{ is_latest_snapshot(source('bronze', 'hydrants__hydrant')) }}
    qualify {{ is_latest_revision(['hydrant_id']) }}
)

select
    hydrant_id,
    insee_code,
    operator_ref,
    operator_name,
    field_ref,
    hydrant_type,
    local_type,
    diameter_mm,
    pipe_diameter_mm,
    water_source,
    ownership,
    owner_name,
    location_comment,
    dynamic_pressure_bar,
    static_pressure_bar,
    flow_m3_h,
    volume_m3,
    is_available,
    availability_date,
    in_service_date,
    updated_date,
    technical_check_date,
    field_check_date,
    position_class,
    x_m,
    y_m,
    longitude,
    latitude,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
