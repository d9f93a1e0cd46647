-- `thing_id` is that of the device's uplinks: a device is one thing, whatever it tells and by which server.
with status as (
    select * from {{ ref('stg_lorawan_status__status') }}
)

select
    'lorawan_uplinks:' || dev_eui as thing_id,
    dev_eui,
    status_time,
    battery_level_pct,
    is_external_power,
    margin_db,
    device_name,
    application_name,
    device_profile,
    source_file,
    source_sha256,
    source_row
from status
