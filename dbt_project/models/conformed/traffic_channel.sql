with channel as (
    select * from {{ ref('stg_traffic_counts__channel') }}
)

select
    channel_id,
    'traffic_counts:' || channel_id as thing_id,
    site_id,
    upper(mobility_types) as mobility_types,
    upper(direction_code) as direction_code,
    direction_name,
    counter_type,
    upper(temporality) as temporality,
    started_time,
    ended_time,
    time_step_s::integer as time_step_s,
    data_provider_name,
    source_file,
    source_sha256,
    source_row
from channel
