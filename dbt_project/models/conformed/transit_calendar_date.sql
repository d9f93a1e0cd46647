with calendar_date as (
    select * from {{ ref('stg_transit_gtfs__calendar_date') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
)

select
    calendar_date.feed_id,
    calendar_date.service_id,
    calendar_date.exception_date,
    calendar_date.exception_type = 1 as is_added,
    calendar_date.source_file,
    calendar_date.source_sha256,
    calendar_date.source_row
from calendar_date
inner join feed on calendar_date.feed_id = feed.feed_id
