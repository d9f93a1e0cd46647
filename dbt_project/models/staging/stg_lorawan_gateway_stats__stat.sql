with stat as (
    select * from {{ source('bronze', 'lorawan_gateway_stats__stat') }}
),

latest as (
    select * from stat
    qualify {{ is_latest_revision(['event_date', 'gateway_id', 'stat_time']) }}
)

select
    gateway_id,
    stat_time,
    received_packet_count,
    received_ok_packet_count,
    downlink_request_count,
    emitted_packet_count,
    latitude,
    longitude,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
