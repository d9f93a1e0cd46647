with shape_point as (
    select * from {{ ref('stg_transit_gtfs__shape_point') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
)

select
    shape_point.feed_id,
    shape_point.shape_id,
    shape_point.point_sequence::integer as point_sequence,
    shape_point.longitude,
    shape_point.latitude,
    shape_point.shape_distance,
    shape_point.source_file,
    shape_point.source_sha256,
    shape_point.source_row
from shape_point
inner join feed on shape_point.feed_id = feed.feed_id
