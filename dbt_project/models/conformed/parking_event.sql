with event as (
    select * from {{ ref('stg_parking_events__event') }}
)

select
    event_id,
    'parking_events:' || space_id as thing_id,
    space_id,
    zone_id,
    event_kind,
    event_time,
    received_time,
    max_stay_min,
    battery_pct,
    source_file,
    source_row
from event
