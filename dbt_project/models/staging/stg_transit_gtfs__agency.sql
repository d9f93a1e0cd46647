with agency as (
    select * from {{ source('bronze', 'transit_gtfs__agency') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from agency
    group by source_file
),

latest as (
    select * from agency
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'agency_id', 'agency_name']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    agency_id,
    agency_name,
    agency_url,
    zone_name,
    lang,
    phone,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
