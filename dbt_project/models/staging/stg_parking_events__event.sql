with event as (
    select * from {{ source('bronze', 'parking_events__event') }}
),

latest as (
    select * from event
    qualify {{ is_latest_revision(['event_id']) }}
)

select
    event_id,
    space_id,
    zone_id,
    event_kind,
    event_time,
    received_time,
    max_stay_min,
    battery_pct,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
