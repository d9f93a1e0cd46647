with device as (
    select * from {{ ref('stg_defibrillator_register__device') }}
),

equipment as (
    select * from {{ ref('equipment') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

-- as far apart as two people measure the same asset, see `equipment`
listed as (
    {{ nearest_equipment('device', 'device_id', 'defibrillator', 8) }}
),

located as (
    {{ with_commune('device') }}
)

select
    located.device_id,
    listed.equipment_id,
    located.name,
    round(located.latitude, 6) as latitude,
    round(located.longitude, 6) as longitude,
    located.house_number,
    located.street_name,
    located.post_code,
    located.insee_code,
    located.insee_code_quality,
    coalesce(commune.commune_name, located.commune_name) as commune_name,
    located.environment,
    located.is_free_access,
    located.has_security_post,
    located.has_reception,
    located.is_mobile,
    located.floor,
    located.access_comment,
    located.photo_url,
    located.second_photo_url,
    nullif(replace(replace(trim(located.available_days, '{}'), '"', ''), ',', '|'), '') as available_days,
    nullif(replace(replace(trim(located.available_hours, '{}'), '"', ''), ',', '|'), '') as available_hours,
    located.availability_comment,
    {{ international_phone('located.phone') }} as phone,
    {{ international_phone('located.second_phone') }} as second_phone,
    located.email,
    located.installed_date,
    located.record_state,
    located.working_state,
    located.maker_siren,
    {{ has_luhn_key('located.maker_siren', 9) }} as is_maker_siren_valid,
    located.maker_name,
    located.maintainer_siren,
    {{ has_luhn_key('located.maintainer_siren', 9) }} as is_maintainer_siren_valid,
    located.maintainer_name,
    located.model,
    located.serial_number,
    row_number() over (partition by located.serial_number order by located.device_id) > 1 as is_serial_number_taken,
    located.european_udi,
    located.has_child_pads,
    located.child_pads_expiry_date,
    located.adult_pads_expiry_date,
    located.battery_expiry_date,
    located.maintenance_frequency,
    located.is_remotely_monitored,
    located.last_maintenance_date,
    located.operator_siren,
    {{ has_luhn_key('located.operator_siren', 9) }} as is_operator_siren_valid,
    located.operator_siret,
    {{ has_luhn_key('located.operator_siret', 14) }} as is_operator_siret_valid,
    located.operator_name,
    {{ international_phone('located.operator_phone') }} as operator_phone,
    {{ international_phone('located.operator_second_phone') }} as operator_second_phone,
    located.operator_email,
    located.updated_date,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join listed on located.device_id = listed.device_id
left join commune on located.insee_code = commune.insee_code
