with fault as (
    select * from {{ source('bronze', 'lighting__fault') }}
),

latest as (
    select * from fault
    qualify {{ is_latest_revision(['event_date', 'fault_id']) }}
)

select
    fault_id,
    cabinet_id,
    light_point_id,
    kind,
    status,
    declared_time,
    closed_time,
    updated_time,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
