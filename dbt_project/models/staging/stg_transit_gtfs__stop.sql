with stop as (
    select * from {{ source('bronze', 'transit_gtfs__stop') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from stop
    group by source_file
),

latest as (
    select * from stop
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'stop_id']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    stop_id,
    stop_code,
    stop_name,
    stop_description,
    latitude,
    longitude,
    zone_id,
    stop_url,
    location_type,
    parent_stop_id,
    wheelchair_boarding,
    platform_code,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
