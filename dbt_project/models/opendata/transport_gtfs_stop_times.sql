with stop_time as (
    select * from {{ ref('transit_stop_time') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    trip_id,
    printf('%02d:%02d:%02d', arrival_s // 3600, arrival_s // 60 % 60, arrival_s % 60) as arrival_time,
    printf('%02d:%02d:%02d', departure_s // 3600, departure_s // 60 % 60, departure_s % 60) as departure_time,
    stop_id,
    stop_sequence,
    stop_headsign,
    pickup_type,
    drop_off_type,
    shape_distance as shape_dist_traveled,
    is_timepoint::integer as timepoint
from stop_time
where feed_id in (select last_feed.feed_id from last_feed)
