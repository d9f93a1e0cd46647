-- Times in seconds of the service day, which begins twelve hours before noon: 25:10:00 is 90 600. A stop between two
-- timed ones has none, and stays without.
with stop_time as (
    select * from {{ ref('stg_transit_gtfs__stop_time') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
),

split as (
    select
        stop_time.*,
        case
            when regexp_full_match(stop_time.arrival_clock, '\d{1,3}:[0-5]\d:[0-5]\d')
                then string_split(stop_time.arrival_clock, ':')::integer[]
        end as arrival,
        case
            when regexp_full_match(stop_time.departure_clock, '\d{1,3}:[0-5]\d:[0-5]\d')
                then string_split(stop_time.departure_clock, ':')::integer[]
        end as departure
    from stop_time
    inner join feed on stop_time.feed_id = feed.feed_id
)

select
    feed_id,
    trip_id,
    stop_sequence::integer as stop_sequence,
    stop_id,
    (3600 * arrival[1] + 60 * arrival[2] + arrival[3])::integer as arrival_s,
    (3600 * departure[1] + 60 * departure[2] + departure[3])::integer as departure_s,
    stop_headsign,
    pickup_type::integer as pickup_type,
    drop_off_type::integer as drop_off_type,
    coalesce(pickup_type, 0) <> 1 as can_board,
    coalesce(drop_off_type, 0) <> 1 as can_alight,
    timepoint = 1 as is_timepoint,
    shape_distance,
    source_file,
    source_sha256,
    source_row
from split
