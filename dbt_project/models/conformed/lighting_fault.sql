with fault as (
    select * from {{ ref('stg_lighting__fault') }}
),

cabinet as (
    select * from {{ ref('stg_lighting__cabinet') }}
)

select
    fault.fault_id,
    fault.cabinet_id,
    fault.light_point_id,
    cabinet.insee_code,
    fault.kind,
    fault.status,
    fault.declared_time,
    fault.closed_time,
    round(epoch(fault.closed_time - fault.declared_time) / 3600, 6) as repair_h,
    fault.updated_time,
    fault.source_file,
    fault.source_sha256,
    fault.source_row
from fault
left join cabinet on fault.cabinet_id = cabinet.cabinet_id
