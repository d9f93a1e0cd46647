with load_curve as (
    select * from {{ source('bronze', 'building_energy__load') }}
),

latest as (
    select * from load_curve
    qualify {{ is_latest_revision(['event_date', 'prm', 'stamp_time']) }}
)

select
    prm,
    stamp_time,
    power_w,
    declared_unit,
    declared_step_min,
    quantity,
    direction,
    is_doubtful,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
