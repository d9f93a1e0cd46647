{{ config(materialized='view', schema='staging') }}

-- One row per asset that a platform's own inventory lists. `told_id` is an identifier that it gives besides its own: it
-- may be that of another platform.
with bike_parking as (
    select * from {{ ref('bike_parking') }}
),

bike_station as (
    select * from {{ ref('bike_station') }}
),

car_park as (
    select * from {{ ref('car_park') }}
),

carpool_site as (
    select * from {{ ref('carpool_site') }}
),

charging_point as (
    select * from {{ ref('charging_point') }}
),

equipment as (
    select * from {{ ref('equipment') }}
),

lighting_cabinet as (
    select * from {{ ref('lighting_cabinet') }}
),

transit_stop as (
    select * from {{ ref('transit_stop') }}
),

waste_bin as (
    select * from {{ ref('waste_bin') }}
),

-- a station is its points': the first of them tells of it
charging_station as (
    select * from charging_point
    qualify row_number() over (partition by station_id order by charging_point_id) = 1
),

listed as (
    select
        'bike_parkings' as source_id,
        rack_id as native_id,
        null::varchar as told_id,
        null::varchar as name,
        'bike_parking' as category,
        null::date as commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from bike_parking
    union all
    select
        'car_parks' as source_id,
        car_park_id as native_id,
        null::varchar as told_id,
        car_park_name as name,
        'parking' as category,
        null::date as commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from car_park
    where is_listed
    union all
    select
        'bike_stations' as source_id,
        station_id as native_id,
        null::varchar as told_id,
        station_name as name,
        'bike_station' as category,
        null::date as commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from bike_station
    union all
    select
        'carpool_sites' as source_id,
        site_id as native_id,
        local_id as told_id,
        name,
        'carpool_site' as category,
        null::date as commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from carpool_site
    where is_in_territory
    union all
    select
        'charging_points' as source_id,
        station_id as native_id,
        null::varchar as told_id,
        station_name as name,
        'charging_station' as category,
        commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from charging_station
    union all
    select
        'urban_assets' as source_id,
        replace(equipment_id, ':', '_') as native_id,
        producer_ref as told_id,
        name,
        category,
        installed_date as commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from equipment
    union all
    select
        'lighting' as source_id,
        cabinet_id as native_id,
        null::varchar as told_id,
        name,
        'lighting_cabinet' as category,
        installed_date as commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from lighting_cabinet
    union all
    select
        'transit_gtfs' as source_id,
        stop_id as native_id,
        stop_code as told_id,
        stop_name as name,
        'transit_' || stop_kind as category,
        null::date as commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from transit_stop
    union all
    select
        'waste_bins' as source_id,
        bin_id as native_id,
        null::varchar as told_id,
        bin_name as name,
        'waste_container' as category,
        null::date as commissioned_date,
        insee_code,
        insee_code_quality,
        longitude,
        latitude
    from waste_bin
)

select
    source_id || ':' || native_id as thing_id,
    source_id,
    native_id,
    told_id,
    name,
    category,
    commissioned_date,
    insee_code,
    insee_code_quality,
    longitude,
    latitude
from listed
