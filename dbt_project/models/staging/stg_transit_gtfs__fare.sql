with fare as (
    select * from {{ source('bronze', 'transit_gtfs__fare') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from fare
    group by source_file
),

latest as (
    select * from fare
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'fare_id']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    fare_id,
    price,
    currency,
    payment_method,
    transfer_count,
    agency_id,
    transfer_duration_s,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
