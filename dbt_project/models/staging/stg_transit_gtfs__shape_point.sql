with shape_point as (
    select * from {{ source('bronze', 'transit_gtfs__shape_point') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from shape_point
    group by source_file
),

latest as (
    select * from shape_point
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'shape_id', 'point_sequence']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    shape_id,
    latitude,
    longitude,
    point_sequence,
    shape_distance,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
