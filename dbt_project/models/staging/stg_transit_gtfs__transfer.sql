with transfer as (
    select * from {{ source('bronze', 'transit_gtfs__transfer') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from transfer
    group by source_file
),

latest as (
    select * from transfer
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'from_stop_id', 'to_stop_id']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    from_stop_id,
    to_stop_id,
    transfer_type,
    min_transfer_time_s,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
