with rack as (
    select * from {{ source('bronze', 'bike_parkings__rack') }}
),

latest as (
    select * from rack
    where {{ is_latest_snapshot(source('bronze', 'bike_parkings__rack')) }}
    qualify {{ is_latest_revision(['rack_id']) }}
)

select
    rack_id,
    insee_code,
    capacity,
    cargo_capacity,
    fastening,
    furniture,
    access,
    is_free_of_charge,
    protection,
    is_covered,
    is_watched,
    is_lit,
    website_url,
    service_year,
    owner_name,
    operator_name,
    producer_name,
    updated_date,
    comment as rack_comment,
    longitude,
    latitude,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
