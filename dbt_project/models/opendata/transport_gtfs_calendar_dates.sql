with calendar_date as (
    select * from {{ ref('transit_calendar_date') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    service_id,
    exception_date as date,
    case
        when is_added then 1
        else 2
    end as exception_type
from calendar_date
where feed_id in (select last_feed.feed_id from last_feed)
