with uplink as (
    select * from {{ source('bronze', 'lorawan_uplinks__uplink') }}
),

latest as (
    select * from uplink
    qualify {{ is_latest_revision(['event_date', 'dev_eui', 'f_cnt', 'received_time']) }}
)

select
    dev_eui,
    device_name,
    application_name,
    received_time,
    f_cnt,
    object as decoded_object,
    spreading_factor,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
