with device as (
    select * from {{ ref('stg_defibrillator_register__device') }}
),

equipment as (
    select * from {{ ref('equipment') }}
),

commune as (
    select * from {{ ref('commune') }}
),

-- as far apart as two people measure the same asset, see `equipment`
listed as (
    {{ nearest_equipment('device', 'device_id', 'defibrillator', 8) }}
)

select
    device.device_id,
    listed.equipment_id,
    device.name,
    round(device.latitude, 6) as latitude,
    round(device.longitude, 6) as longitude,
    device.house_number,
    device.street_name,
    device.post_code,
    device.insee_code,
    coalesce(commune.commune_name, device.commune_name) as commune_name,
    device.environment,
    device.is_free_access,
    device.has_security_post,
    device.has_reception,
    device.is_mobile,
    device.floor,
    device.access_comment,
    device.photo_url,
    device.second_photo_url,
    nullif(replace(replace(trim(device.available_days, '{}'), '"', ''), ',', '|'), '') as available_days,
    nullif(replace(replace(trim(device.available_hours, '{}'), '"', ''), ',', '|'), '') as available_hours,
    device.availability_comment,
    {{ international_phone('device.phone') }} as phone,
    {{ international_phone('device.second_phone') }} as second_phone,
    device.email,
    device.installed_date,
    device.record_state,
    device.working_state,
    device.maker_siren,
    {{ has_luhn_key('device.maker_siren', 9) }} as is_maker_siren_valid,
    device.maker_name,
    device.maintainer_siren,
    {{ has_luhn_key('device.maintainer_siren', 9) }} as is_maintainer_siren_valid,
    device.maintainer_name,
    device.model,
    device.serial_number,
    row_number() over (partition by device.serial_number order by device.device_id) > 1 as is_serial_number_taken,
    device.european_udi,
    device.has_child_pads,
    device.child_pads_expiry_date,
    device.adult_pads_expiry_date,
    device.battery_expiry_date,
    device.maintenance_frequency,
    device.is_remotely_monitored,
    device.last_maintenance_date,
    device.operator_siren,
    {{ has_luhn_key('device.operator_siren', 9) }} as is_operator_siren_valid,
    device.operator_siret,
    {{ has_luhn_key('device.operator_siret', 14) }} as is_operator_siret_valid,
    device.operator_name,
    {{ international_phone('device.operator_phone') }} as operator_phone,
    {{ international_phone('device.operator_second_phone') }} as operator_second_phone,
    device.operator_email,
    device.updated_date,
    device.source_file,
    device.source_sha256,
    device.source_row
from device
left join listed on device.device_id = listed.device_id
left join commune on device.insee_code = commune.insee_code
