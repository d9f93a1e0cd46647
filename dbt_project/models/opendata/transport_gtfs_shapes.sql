with shape_point as (
    select * from {{ ref('transit_shape_point') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    shape_id,
    latitude as shape_pt_lat,
    longitude as shape_pt_lon,
    point_sequence as shape_pt_sequence,
    shape_distance as shape_dist_traveled
from shape_point
where feed_id in (select last_feed.feed_id from last_feed)
