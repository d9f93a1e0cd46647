-- What the occupancy platform counts and what the parking department lists, one row each: their codes are the same.
-- The list says where the entrance is; the register of assets places those that only the platform knows.
with snapshot as (
    select * from {{ ref('stg_car_parks__snapshot') }}
),

list as (
    select * from {{ ref('stg_car_park_inventory__car_park') }}
),

asset as (
    select * from {{ ref('stg_asset_register__asset') }}
    where source_id = 'car_parks'
),

statement as (
    select * from {{ ref('int_corrections__statement') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

latest as (
    select
        car_park_id,
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
),

listed as (
    select
        * exclude (source_sha256, source_row, source_time),
        timezone('UTC', source_time)::date as listed_date
    from list
),

known as (
    select
        coalesce(listed.car_park_id, latest.car_park_id) as car_park_id,
        'car_parks:' || coalesce(listed.car_park_id, latest.car_park_id) as thing_id,
        coalesce(listed.car_park_name, latest.car_park_name) as car_park_name,
        latest.* exclude (car_park_id, car_park_name, source_file),
        listed.* exclude (car_park_id, car_park_name, source_file),
        -- `least` looks away from nulls
        least(latest.first_snapshot_time, listed.first_listed_time) as first_seen_time,
        listed.car_park_id is not null as is_listed,
        coalesce(latest.source_file, listed.source_file) as source_file
    from latest
    full join listed on latest.car_park_id = listed.car_park_id
),

told as (
    select
        known.* exclude (insee_code, longitude, latitude),
        coalesce(known.insee_code, asset.insee_code) as insee_code,
        if(known.longitude is null, asset.longitude, known.longitude) as longitude,
        if(known.longitude is null, asset.latitude, known.latitude) as latitude
    from known
    left join asset on known.car_park_id = asset.native_id
),

located as (
    {{ with_commune('told') }}
),

corrected as (
    {{ corrected('located', 'car_park') }}
)

select
    corrected.car_park_id,
    corrected.thing_id,
    corrected.car_park_name,
    corrected.space_count,
    corrected.last_free_space_count,
    corrected.last_status,
    corrected.first_snapshot_time,
    corrected.last_snapshot_time,
    corrected.first_seen_time,
    corrected.is_listed,
    corrected.listed_date,
    corrected.address,
    corrected.postal_code,
    corrected.insee_code,
    corrected.insee_code_quality,
    commune.commune_name,
    corrected.longitude,
    corrected.latitude,
    corrected.user_type,
    corrected.is_free_of_charge,
    corrected.total_space_count,
    corrected.park_and_ride_space_count,
    corrected.accessible_space_count,
    corrected.charging_space_count,
    corrected.car_sharing_space_count,
    corrected.carpool_space_count,
    corrected.bicycle_space_count,
    corrected.motorcycle_space_count,
    corrected.max_height_cm,
    corrected.operator_siret,
    corrected.structure_type,
    corrected.accessible_price_type,
    corrected.price_1h_eur,
    corrected.price_2h_eur,
    corrected.price_3h_eur,
    corrected.price_4h_eur,
    corrected.price_24h_eur,
    corrected.resident_subscription_eur,
    corrected.subscription_eur,
    corrected.website_url,
    corrected.car_park_comment,
    corrected.correction_ids,
    corrected.source_file
from corrected
left join commune on corrected.insee_code = commune.insee_code
