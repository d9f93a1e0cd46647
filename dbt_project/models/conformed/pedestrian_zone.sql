with zone as (
    select * from {{ ref('stg_pedestrian_zones__zone') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

located as (
    {{ with_commune('zone') }}
)

select
    located.zone_id,
    located.zone_name,
    located.zone_type,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.order_number,
    located.order_date,
    located.start_date,
    located.end_date,
    located.opening_hours,
    located.delivery_hours,
    located.is_open_to_cyclists,
    round(
        st_area(
            st_affine(
                st_geomfromtext(located.geometry_wkt),
                111320 * cos(radians(located.latitude)), 0, 0, 111320, 0, 0
            )
        ),
        1
    ) as area_m2,
    located.longitude,
    located.latitude,
    located.geometry_wkt,
    timezone('UTC', located.source_time)::date as listed_date,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
