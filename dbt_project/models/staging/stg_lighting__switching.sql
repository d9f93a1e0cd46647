with switching as (
    select * from {{ source('bronze', 'lighting__switching') }}
),

latest as (
    select * from switching
    qualify {{ is_latest_revision(['event_date', 'switching_id']) }}
)

select
    switching_id,
    cabinet_id,
    switched_time,
    state,
    cause,
    received_time,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
