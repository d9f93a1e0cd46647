with snapshot as (
    select * from {{ ref('stg_car_parks__snapshot') }}
),

location as (
    select * from {{ ref('location') }}
),

latest as (
    select
        car_park_id,
        'car_parks:' || car_park_id as thing_id,
        arg_max(car_park_name, snapshot_time) as car_park_name,
        -- null while the platform has not said it for a day: then the last that it said
        arg_max(space_count, snapshot_time) as space_count,
        arg_max(free_space_count, snapshot_time) as last_free_space_count,
        arg_max(status, snapshot_time) as last_status,
        min(snapshot_time) as first_snapshot_time,
        max(snapshot_time) as last_snapshot_time,
        arg_max(source_file, snapshot_time) as source_file
    from snapshot
    group by car_park_id
)

select
    latest.car_park_id,
    latest.thing_id,
    latest.car_park_name,
    latest.space_count,
    latest.last_free_space_count,
    latest.last_status,
    latest.first_snapshot_time,
    latest.last_snapshot_time,
    location.insee_code,
    location.longitude,
    location.latitude,
    latest.source_file
from latest
left join location on latest.thing_id = location.thing_id
