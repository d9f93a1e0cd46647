with zone as (
    select * from {{ source('bronze', 'pedestrian_zones__zone') }}
),

latest as (
    select * from zone
    where {{ is_latest_snapshot(source('bronze', 'pedestrian_zones__zone')) }}
    qualify {{ is_latest_revision(['zone_id']) }}
)

select
    zone_id,
    zone_name,
    zone_type,
    insee_code,
    order_number,
    order_date,
    start_date,
    end_date,
    opening_hours,
    delivery_hours,
    is_open_to_cyclists,
    longitude,
    latitude,
    geometry_wkt,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
