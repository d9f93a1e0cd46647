with trip as (
    select * from {{ source('bronze', 'transit_gtfs__trip') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from trip
    group by source_file
),

latest as (
    select * from trip
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'trip_id']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    trip_id,
    route_id,
    service_id,
    headsign,
    trip_short_name,
    direction_id,
    block_id,
    shape_id,
    wheelchair_accessible,
    bikes_allowed,
    trip_description,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
