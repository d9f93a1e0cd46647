with measure as (
    select * from {{ source('bronze', 'weather_stations__measure') }}
),

latest as (
    select * from measure
    qualify {{ is_latest_revision(['event_date', 'station_id', 'measure_time']) }}
)

select
    station_id,
    measure_time,
    temperature_cel,
    humidity_pct,
    pressure_hpa,
    wind_speed_km_h,
    wind_direction_deg,
    wind_gust_km_h,
    rainfall_mm,
    solar_irradiance_w_m2,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
