with fare_rule as (
    select * from {{ ref('stg_transit_gtfs__fare_rule') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
)

select
    fare_rule.feed_id,
    fare_rule.fare_id,
    fare_rule.route_id,
    fare_rule.origin_id,
    fare_rule.destination_id,
    fare_rule.contains_id,
    fare_rule.source_file,
    fare_rule.source_sha256,
    fare_rule.source_row
from fare_rule
inner join feed on fare_rule.feed_id = feed.feed_id
