with event as (
    select * from {{ source('bronze', 'traffic_signals__event') }}
),

latest as (
    select * from event
    qualify {{ is_latest_revision(['event_id']) }}
)

select
    event_id,
    controller_id,
    event_time,
    received_time,
    event_kind,
    transition,
    plan_number,
    signal_group,
    detail,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
