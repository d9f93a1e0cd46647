-- A blank cell means unchanged: the last value goes on, but never for more than a day (the platform writes every cell
-- once a night, so a longer silence is no information).
with snapshot as (
    select * from {{ source('bronze', 'car_parks__snapshot') }}
),

latest as (
    select * from snapshot
    qualify {{ is_latest_revision(['event_date', 'car_park_id', 'snapshot_time']) }}
)

select
    car_park_id,
    car_park_name,
    snapshot_time,
    last_value(space_count ignore nulls) over day_before as space_count,
    last_value(free_space_count ignore nulls) over day_before as free_space_count,
    last_value(status ignore nulls) over day_before as status,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
window
    day_before as (
        partition by car_park_id
        order by snapshot_time
        range between interval 1 day preceding and current row
    )
