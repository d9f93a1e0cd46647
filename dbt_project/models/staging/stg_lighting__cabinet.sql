with cabinet as (
    select * from {{ source('bronze', 'lighting__cabinet') }}
),

latest as (
    select * from cabinet
    where {{ is_latest_snapshot(source('bronze', 'lighting__cabinet')) }}
    qualify {{ is_latest_revision(['cabinet_id']) }}
)

select
    cabinet_id,
    label,
    insee_code,
    longitude,
    latitude,
    control_mode,
    cut_from,
    cut_to,
    subscribed_power_kva,
    installed_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
