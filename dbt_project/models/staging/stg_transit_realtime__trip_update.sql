with trip_update as (
    select * from {{ source('bronze', 'transit_realtime__trip_update') }}
),

latest as (
    select * from trip_update
    qualify {{ is_latest_revision(['event_date', 'entity_id', 'feed_time']) }}
)

select
    entity_id,
    feed_time,
    trip_id,
    route_id,
    direction_id,
    start_date,
    start_clock,
    trip_relationship,
    vehicle_id,
    update_time,
    trip_delay_s,
    stop_updates,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
