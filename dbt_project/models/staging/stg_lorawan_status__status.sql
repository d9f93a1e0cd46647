-- Servers leave out false, and a battery at zero: it is at zero unless the device has mains power or cannot tell.
with status as (
    select * from {{ source('bronze', 'lorawan_status__status') }}
),

latest as (
    select * from status
    qualify {{ is_latest_revision(['event_month', 'dev_eui', 'status_time']) }}
)

select
    dev_eui,
    device_name,
    application_name,
    device_profile,
    status_time,
    margin_db,
    coalesce(is_external_power, false) as is_external_power,
    coalesce(is_battery_unknown, false) as is_battery_unknown,
    case
        when coalesce(is_external_power, false) or coalesce(is_battery_unknown, false) then null
        else coalesce(battery_level_pct, 0)
    end as battery_level_pct,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
