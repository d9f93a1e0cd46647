with calendar as (
    select * from {{ ref('transit_calendar') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    service_id,
    on_monday::integer as monday,
    on_tuesday::integer as tuesday,
    on_wednesday::integer as wednesday,
    on_thursday::integer as thursday,
    on_friday::integer as friday,
    on_saturday::integer as saturday,
    on_sunday::integer as sunday,
    start_date,
    end_date
from calendar
where feed_id in (select last_feed.feed_id from last_feed)
