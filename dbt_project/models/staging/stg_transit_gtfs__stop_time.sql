with stop_time as (
    select * from {{ source('bronze', 'transit_gtfs__stop_time') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from stop_time
    group by source_file
),

latest as (
    select * from stop_time
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'trip_id', 'stop_sequence']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    trip_id,
    arrival_clock,
    departure_clock,
    stop_id,
    stop_sequence,
    stop_headsign,
    stop_time_description,
    pickup_type,
    drop_off_type,
    timepoint,
    shape_distance,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
