with joined as (
    select * from {{ source('bronze', 'lorawan_joins__join') }}
),

latest as (
    select * from joined
    qualify {{ is_latest_revision(['event_month', 'dev_eui', 'joined_time']) }}
)

select
    dev_eui,
    device_name,
    application_name,
    device_profile,
    joined_time,
    dev_addr,
    join_eui,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
