with channel_count as (
    select * from {{ source('bronze', 'traffic_counts__channel_count') }}
),

latest as (
    select * from channel_count
    qualify {{ is_latest_revision(['event_date', 'channel_id', 'start_time']) }}
)

select
    channel_id,
    counter_id,
    start_time,
    end_time,
    passage_count,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
