with alert as (
    select * from {{ source('bronze', 'transit_realtime__alert') }}
),

latest as (
    select * from alert
    qualify {{ is_latest_revision(['event_date', 'alert_id', 'feed_time']) }}
)

select
    alert_id,
    feed_time,
    cause,
    effect,
    severity,
    alert_url,
    header_text,
    description_text,
    active_periods,
    informed_entities,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
