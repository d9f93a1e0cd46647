with measure as (
    select * from {{ source('bronze', 'air_stations__measure') }}
),

latest as (
    select * from measure
    qualify {{ is_latest_revision(['event_date', 'station_id', 'measure_time']) }}
)

select
    station_id,
    station_name,
    measure_time,
    no2_ug_m3,
    o3_ug_m3,
    pm10_ug_m3,
    pm2_5_ug_m3,
    validity,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
