with fare as (
    select * from {{ ref('transit_fare') }}
),

last_feed as (
    select * from {{ ref('transit_feed') }}
    where is_last
)

select
    fare_id,
    price,
    currency as currency_type,
    is_paid_before::integer as payment_method,
    transfer_count as transfers,
    agency_id,
    transfer_duration_s as transfer_duration
from fare
where feed_id in (select last_feed.feed_id from last_feed)
