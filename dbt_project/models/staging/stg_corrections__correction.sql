with correction as (
    select * from {{ source('bronze', 'corrections__correction') }}
),

latest as (
    select * from correction
    qualify {{ is_latest_revision(['correction_id']) }}
)

select
    correction_id,
    target_table,
    target_key,
    target_column,
    from_value,
    to_value,
    start_time,
    end_time,
    stated_by,
    reason,
    stated_date,
    until_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
