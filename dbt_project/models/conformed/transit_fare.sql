with fare as (
    select * from {{ ref('stg_transit_gtfs__fare') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
)

select
    fare.feed_id,
    fare.fare_id,
    fare.price,
    fare.currency,
    fare.payment_method = 1 as is_paid_before,
    fare.transfer_count::integer as transfer_count,
    fare.agency_id,
    fare.transfer_duration_s::integer as transfer_duration_s,
    fare.source_file,
    fare.source_sha256,
    fare.source_row
from fare
inner join feed on fare.feed_id = feed.feed_id
