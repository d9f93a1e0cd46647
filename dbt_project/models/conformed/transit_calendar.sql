with calendar as (
    select * from {{ ref('stg_transit_gtfs__calendar') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
)

select
    calendar.feed_id,
    calendar.service_id,
    calendar.on_monday,
    calendar.on_tuesday,
    calendar.on_wednesday,
    calendar.on_thursday,
    calendar.on_friday,
    calendar.on_saturday,
    calendar.on_sunday,
    calendar.start_date,
    calendar.end_date,
    calendar.source_file,
    calendar.source_sha256,
    calendar.source_row
from calendar
inner join feed on calendar.feed_id = feed.feed_id
