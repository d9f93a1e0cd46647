with work_order as (
    select * from {{ ref('stg_water_work_orders__order') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    work_order.order_id,
    work_order.kind,
    work_order.kind in ('leak_main', 'leak_service') as is_leak,
    work_order.subject,
    work_order.status,
    work_order.priority,
    work_order.insee_code,
    commune.commune_name,
    work_order.street,
    work_order.sector_id,
    work_order.pipe_id,
    work_order.reported_time,
    {{ business_date('work_order.reported_time') }} as reported_date,
    work_order.located_date,
    work_order.done_date,
    work_order.worker_id,
    work_order.work_h,
    work_order.cost_eur,
    work_order.source_file,
    work_order.source_sha256,
    work_order.source_row
from work_order
left join commune on work_order.insee_code = commune.insee_code
