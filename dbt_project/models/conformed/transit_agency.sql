with agency as (
    select * from {{ ref('stg_transit_gtfs__agency') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
)

select
    agency.feed_id,
    agency.agency_id,
    agency.agency_name,
    agency.agency_url,
    agency.zone_name,
    agency.lang,
    agency.phone,
    agency.source_file,
    agency.source_sha256,
    agency.source_row
from agency
inner join feed on agency.feed_id = feed.feed_id
