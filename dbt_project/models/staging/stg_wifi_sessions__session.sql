with session as (
    select * from {{ source('bronze', 'wifi_sessions__session') }}
),

latest as (
    select * from session
    qualify {{ is_latest_revision(['event_date', 'start_time', 'session_id']) }}
)

select
    session_id,
    access_point_id,
    ssid,
    device_id,
    start_time,
    end_time,
    duration_min,
    received_kb,
    sent_kb,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
