with device as (
    select * from {{ source('bronze', 'defibrillator_register__device') }}
),

latest as (
    select * from device
    where {{ is_latest_snapshot(source('bronze', 'defibrillator_register__device')) }}
    qualify {{ is_latest_revision(['device_id']) }}
)

select
    device_id,
    name,
    latitude,
    longitude,
    house_number,
    street_name,
    post_code,
    insee_code,
    commune_name,
    environment,
    is_free_access,
    has_security_post,
    has_reception,
    is_mobile,
    floor,
    access_comment,
    photo_url,
    second_photo_url,
    available_days,
    available_hours,
    availability_comment,
    phone,
    second_phone,
    email,
    installed_date,
    record_state,
    working_state,
    maker_siren,
    maker_name,
    maintainer_siren,
    maintainer_name,
    model,
    serial_number,
    european_udi,
    has_child_pads,
    child_pads_expiry_date,
    adult_pads_expiry_date,
    battery_expiry_date,
    maintenance_frequency,
    is_remotely_monitored,
    last_maintenance_date,
    operator_siren,
    operator_siret,
    operator_name,
    operator_phone,
    operator_second_phone,
    operator_email,
    updated_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
