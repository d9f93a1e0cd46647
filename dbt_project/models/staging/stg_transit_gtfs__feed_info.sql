with feed_info as (
    select * from {{ source('bronze', 'transit_gtfs__feed_info') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from feed_info
    group by source_file
),

latest as (
    select * from feed_info
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'publisher_name', 'feed_version']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    publisher_name,
    publisher_url,
    lang,
    feed_start_date,
    feed_end_date,
    feed_version,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
