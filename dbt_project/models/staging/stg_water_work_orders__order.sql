with work_order as (
    select * from {{ source('bronze', 'water_work_orders__order') }}
),

latest as (
    select * from work_order
    qualify {{ is_latest_revision(['event_date', 'order_id', 'reported_time']) }}
)

select
    order_id,
    kind,
    subject,
    insee_code,
    street,
    sector_id,
    pipe_id,
    reported_time,
    located_date,
    done_date,
    status,
    priority,
    worker_id,
    work_h,
    cost_eur,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
