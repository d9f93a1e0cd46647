with route as (
    select * from {{ source('bronze', 'transit_gtfs__route') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from route
    group by source_file
),

latest as (
    select * from route
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'route_id']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    route_id,
    agency_id,
    short_name,
    long_name,
    route_description,
    route_type,
    route_url,
    colour,
    text_colour,
    sort_order,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
