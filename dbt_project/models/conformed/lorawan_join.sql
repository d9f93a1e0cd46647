-- `thing_id` is that of the device's uplinks: a device is one thing, whatever it tells and by which server.
with joined as (
    select * from {{ ref('stg_lorawan_joins__join') }}
),

spaced as (
    select
        *,
        lag(joined_time) over (partition by dev_eui order by joined_time) as previous_joined_time
    from joined
)

select
    'lorawan_uplinks:' || dev_eui as thing_id,
    dev_eui,
    joined_time,
    previous_joined_time,
    device_name,
    application_name,
    device_profile,
    join_eui,
    source_file,
    source_sha256,
    source_row
from spaced
