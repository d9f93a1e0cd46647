with transfer as (
    select * from {{ ref('stg_transit_gtfs__transfer') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
)

select
    transfer.feed_id,
    transfer.from_stop_id,
    transfer.to_stop_id,
    coalesce(transfer.transfer_type, 0)::integer as transfer_type,
    transfer.min_transfer_time_s::integer as min_transfer_time_s,
    transfer.source_file,
    transfer.source_sha256,
    transfer.source_row
from transfer
inner join feed on transfer.feed_id = feed.feed_id
