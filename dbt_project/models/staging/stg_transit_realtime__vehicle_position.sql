with vehicle_position as (
    select * from {{ source('bronze', 'transit_realtime__vehicle_position') }}
),

latest as (
    select * from vehicle_position
    qualify {{ is_latest_revision(['event_date', 'vehicle_id', 'position_time']) }}
)

select
    vehicle_id,
    position_time,
    trip_id,
    route_id,
    direction_id,
    start_date,
    latitude,
    longitude,
    bearing_deg,
    speed_m_s,
    odometer_m,
    stop_sequence,
    stop_id,
    stop_status,
    occupancy_status,
    occupancy_pct,
    congestion_level,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
