with agency as (
    select * from {{ ref('transit_agency') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    agency_id,
    agency_name,
    agency_url,
    zone_name as agency_timezone,
    lang as agency_lang,
    phone as agency_phone
from agency
where feed_id in (select last_feed.feed_id from last_feed)
