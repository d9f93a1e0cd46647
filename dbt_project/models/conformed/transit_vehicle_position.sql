{{ config(
    delta_strategy='replace_by_day',
    day_column='position_date',
    meta={'stake': {'sources': ['transit_realtime'], 'margin_days': 0}}
) }}

with vehicle_position as (
    select
        *,
        latitude = 0 and longitude = 0 as is_lost
    from {{ ref('stg_transit_realtime__vehicle_position') }}
    where {{ at_stake('event_date', 'transit_vehicle_position') }}
)

select
    vehicle_id,
    position_time,
    event_date as position_date,
    trip_id,
    start_date as service_date,
    route_id,
    direction_id,
    case when not is_lost then longitude end as longitude,
    case when not is_lost then latitude end as latitude,
    bearing_deg,
    3.6 * speed_m_s as speed_km_h,
    stop_id,
    stop_sequence::integer as stop_sequence,
    lower(coalesce(stop_status, 'IN_TRANSIT_TO')) as stop_status,
    lower(occupancy_status) as occupancy_status,
    occupancy_pct::integer as occupancy_pct,
    source_file,
    source_sha256,
    source_row
from vehicle_position
