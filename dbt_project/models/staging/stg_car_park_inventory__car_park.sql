with car_park as (
    select * from {{ source('bronze', 'car_park_inventory__car_park') }}
),

-- before the older workbooks go: since when it is known
dated as (
    select
        *,
        min(source_time) over (partition by car_park_id) as first_listed_time
    from car_park
),

latest as (
    select * from dated
    where {{ is_latest_snapshot(source('bronze', 'car_park_inventory__car_park')) }}
    qualify {{ is_latest_revision(['car_park_id']) }}
)

select
    car_park_id,
    car_park_name,
    address,
    postal_code,
    insee_code,
    longitude,
    latitude,
    user_type,
    is_free_of_charge,
    total_space_count,
    park_and_ride_space_count,
    accessible_space_count,
    charging_space_count,
    car_sharing_space_count,
    carpool_space_count,
    bicycle_space_count,
    motorcycle_space_count,
    max_height_cm,
    operator_siret,
    structure_type,
    accessible_price_type,
    price_1h_eur,
    price_2h_eur,
    price_3h_eur,
    price_4h_eur,
    price_24h_eur,
    resident_subscription_eur,
    subscription_eur,
    website_url,
    comment as car_park_comment,
    first_listed_time,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
