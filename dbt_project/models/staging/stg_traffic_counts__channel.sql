with channel as (
    select * from {{ source('bronze', 'traffic_counts__channel') }}
),

latest as (
    select * from channel
    where {{ is_latest_snapshot(source('bronze', 'traffic_counts__channel')) }}
    qualify {{ is_latest_revision(['channel_id']) }}
)

select
    channel_id,
    channel_provider_id,
    site_provider_id,
    site_id,
    mobility_types,
    channel_comment,
    transmission_type,
    publication_type,
    counter_type,
    direction,
    direction_code,
    direction_name,
    data_provider_name,
    temporality,
    started_time,
    ended_time,
    updated_time,
    time_step_s,
    portal_url,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
