with cabinet as (
    select * from {{ ref('stg_lighting__cabinet') }}
),

light as (
    select * from {{ ref('stg_lighting__light_point') }}
),

commune as (
    select * from {{ ref('commune') }}
),

fed as (
    select
        cabinet_id,
        count(*) as light_point_count,
        sum(power_w) as rated_power_w
    from light
    group by cabinet_id
)

select
    cabinet.cabinet_id,
    'lighting:' || cabinet.cabinet_id as thing_id,
    cabinet.label as name,
    cabinet.insee_code,
    commune.commune_name,
    cabinet.longitude,
    cabinet.latitude,
    cabinet.control_mode,
    cabinet.cut_from,
    cabinet.cut_to,
    cabinet.subscribed_power_kva,
    cabinet.installed_date,
    coalesce(fed.light_point_count, 0) as light_point_count,
    coalesce(fed.rated_power_w, 0) as rated_power_w,
    cabinet.source_file,
    cabinet.source_sha256,
    cabinet.source_row
from cabinet
left join fed on cabinet.cabinet_id = fed.cabinet_id
left join commune on cabinet.insee_code = commune.insee_code
