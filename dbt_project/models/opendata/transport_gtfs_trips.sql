with trip as (
    select * from {{ ref('transit_trip') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    route_id,
    service_id,
    trip_id,
    headsign as trip_headsign,
    trip_short_name,
    direction_id,
    block_id,
    shape_id,
    case is_wheelchair_accessible
        when true then 1
        when false then 2
    end as wheelchair_accessible,
    case is_bike_allowed
        when true then 1
        when false then 2
    end as bikes_allowed
from trip
where feed_id in (select last_feed.feed_id from last_feed)
