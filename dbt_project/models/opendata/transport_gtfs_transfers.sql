with transfer as (
    select * from {{ ref('transit_transfer') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    from_stop_id,
    to_stop_id,
    transfer_type,
    min_transfer_time_s as min_transfer_time
from transfer
where feed_id in (select last_feed.feed_id from last_feed)
