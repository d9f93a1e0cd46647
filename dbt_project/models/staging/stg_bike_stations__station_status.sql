with station_status as (
    select * from {{ source('bronze', 'bike_stations__station_status') }}
),

latest as (
    select * from station_status
    qualify {{ is_latest_revision(['event_date', 'station_id', 'feed_time']) }}
)

select
    station_id,
    feed_time,
    reported_time,
    bike_count,
    dock_count,
    disabled_bike_count,
    disabled_dock_count,
    mechanical_count,
    electric_count,
    vehicle_types,
    vehicle_docks,
    is_installed,
    is_renting,
    is_returning,
    station_code,
    opening_hours,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
