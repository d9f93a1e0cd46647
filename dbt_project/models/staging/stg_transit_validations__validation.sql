with validation as (
    select * from {{ source('bronze', 'transit_validations__validation') }}
),

latest as (
    select * from validation
    qualify {{ is_latest_revision(['event_date', 'validation_id']) }}
)

select
    validation_id,
    validation_time,
    card_id,
    fare_id,
    fare_name,
    route_id,
    direction_code,
    stop_id,
    stop_name,
    vehicle_id,
    device_id,
    is_accepted,
    is_transfer,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
