{{ config(
    delta_strategy='replace_by_day',
    day_column='start_date',
    partition_by=['start_date'],
    meta={'stake': {'sources': ['wifi_sessions'], 'margin_days': 0}}
) }}

with session as (
    select * from {{ ref('stg_wifi_sessions__session') }}
    where {{ at_stake('event_date', 'wifi_session') }}
),

location as (
    select * from {{ ref('location') }}
)

select
    session.session_id,
    'wifi_sessions:' || session.access_point_id as thing_id,
    session.access_point_id,
    location.insee_code,
    session.ssid,
    session.device_id,
    session.start_time,
    session.end_time,
    session.event_date as start_date,
    session.duration_min,
    session.received_kb,
    session.sent_kb,
    session.source_file,
    session.source_sha256,
    session.source_row
from session
left join location on location.thing_id = 'wifi_sessions:' || session.access_point_id
