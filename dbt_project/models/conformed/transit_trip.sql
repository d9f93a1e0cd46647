with trip as (
    select * from {{ ref('stg_transit_gtfs__trip') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
),

stop_time as (
    select * from {{ ref('transit_stop_time') }}
),

course as (
    select
        feed_id,
        trip_id,
        min(departure_s) as first_departure_s,
        max(arrival_s) as last_arrival_s,
        count(*)::integer as stop_count
    from stop_time
    group by feed_id, trip_id
)

select
    trip.feed_id,
    trip.trip_id,
    trip.route_id,
    trip.service_id,
    trip.headsign,
    trip.trip_short_name,
    trip.direction_id,
    trip.block_id,
    trip.shape_id,
    case trip.wheelchair_accessible
        when 1 then true
        when 2 then false
    end as is_wheelchair_accessible,
    case trip.bikes_allowed
        when 1 then true
        when 2 then false
    end as is_bike_allowed,
    course.first_departure_s,
    course.last_arrival_s,
    coalesce(course.stop_count, 0) as stop_count,
    trip.source_file,
    trip.source_sha256,
    trip.source_row
from trip
inner join feed on trip.feed_id = feed.feed_id
left join course on trip.feed_id = course.feed_id and trip.trip_id = course.trip_id
