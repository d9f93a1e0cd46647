with calendar as (
    select * from {{ source('bronze', 'transit_gtfs__calendar') }}
),

-- An archive may come again under its name: what its last delivery no longer has is gone.
delivered as (
    select
        source_file,
        arg_max(source_sha256, delivered_time) as source_sha256
    from calendar
    group by source_file
),

latest as (
    select * from calendar
    where (source_file, source_sha256) in (select (d.source_file, d.source_sha256) from delivered as d)
    qualify {{ is_latest_revision(['source_file', 'service_id']) }}
)

select
    split_part(source_file, '!', 1) as feed_id,
    service_id,
    on_monday,
    on_tuesday,
    on_wednesday,
    on_thursday,
    on_friday,
    on_saturday,
    on_sunday,
    start_date,
    end_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
