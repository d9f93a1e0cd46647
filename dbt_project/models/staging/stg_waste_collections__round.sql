with collection_round as (
    select * from {{ source('bronze', 'waste_collections__round') }}
),

latest as (
    select * from collection_round
    qualify {{ is_latest_revision(['event_date', 'collection_date', 'round_id']) }}
)

select
    collection_date,
    round_id,
    truck_id,
    sector_name,
    waste_stream,
    tonnage_t,
    distance_km,
    comment as round_comment,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
