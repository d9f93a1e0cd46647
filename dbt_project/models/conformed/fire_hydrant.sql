with hydrant as (
    select * from {{ ref('stg_hydrants__hydrant') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    hydrant.hydrant_id,
    hydrant.insee_code,
    commune.commune_name,
    hydrant.operator_ref,
    hydrant.operator_name,
    hydrant.field_ref,
    hydrant.hydrant_type,
    hydrant.local_type,
    hydrant.diameter_mm,
    hydrant.pipe_diameter_mm,
    hydrant.water_source,
    hydrant.ownership,
    hydrant.owner_name,
    hydrant.location_comment,
    hydrant.dynamic_pressure_bar,
    hydrant.static_pressure_bar,
    hydrant.flow_m3_h,
    hydrant.volume_m3,
    hydrant.is_available,
    hydrant.availability_date,
    hydrant.in_service_date,
    hydrant.updated_date,
    hydrant.technical_check_date,
    hydrant.field_check_date,
    if(hydrant.position_class in ('01', '05', '10', '99'), hydrant.position_class, null) as position_class,
    hydrant.x_m,
    hydrant.y_m,
    round(hydrant.longitude, 6) as longitude,
    round(hydrant.latitude, 6) as latitude,
    hydrant.source_file,
    hydrant.source_sha256,
    hydrant.source_row
from hydrant
left join commune on hydrant.insee_code = commune.insee_code
