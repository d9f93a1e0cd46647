with station_information as (
    select * from {{ source('bronze', 'bike_stations__station_information') }}
),

latest as (
    select * from station_information
    where {{ is_latest_snapshot(source('bronze', 'bike_stations__station_information')) }}
    qualify {{ is_latest_revision(['station_id']) }}
)

select
    station_id,
    station_name,
    latitude,
    longitude,
    capacity,
    station_code,
    address,
    postal_code,
    region_id,
    opening_hours,
    rental_methods,
    vehicle_type_capacity,
    station_area,
    is_virtual,
    is_valet,
    is_charging,
    parking_type,
    has_hoops,
    contact_phone,
    feed_time,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
