with sample as (
    select * from {{ source('bronze', 'building_bms__point') }}
),

latest as (
    select * from sample
    qualify {{ is_latest_revision(['event_date', 'controller_id', 'point_id', 'sample_time']) }}
)

select
    controller_id,
    point_id,
    unit,
    sample_time,
    value,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
