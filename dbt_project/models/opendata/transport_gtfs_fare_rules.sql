with fare_rule as (
    select * from {{ ref('transit_fare_rule') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    fare_id,
    route_id,
    origin_id,
    destination_id,
    contains_id
from fare_rule
where feed_id in (select last_feed.feed_id from last_feed)
