with hydrant as (
    select * from {{ ref('stg_hydrants__hydrant') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

located as (
    {{ with_commune('hydrant') }}
)

select
    located.hydrant_id,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.operator_ref,
    located.operator_name,
    located.field_ref,
    located.hydrant_type,
    located.local_type,
    located.diameter_mm,
    located.pipe_diameter_mm,
    located.water_source,
    located.ownership,
    located.owner_name,
    located.location_comment,
    located.dynamic_pressure_bar,
    located.static_pressure_bar,
    located.flow_m3_h,
    located.volume_m3,
    located.is_available,
    located.availability_date,
    located.in_service_date,
    located.updated_date,
    located.technical_check_date,
    located.field_check_date,
    if(located.position_class in ('01', '05', '10', '99'), located.position_class, null) as position_class,
    located.x_m,
    located.y_m,
    round(located.longitude, 6) as longitude,
    round(located.latitude, 6) as latitude,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
