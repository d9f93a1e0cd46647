with cabinet as (
    select * from {{ ref('stg_lighting__cabinet') }}
),

light as (
    select * from {{ ref('stg_lighting__light_point') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
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
),

located as (
    {{ with_commune('cabinet') }}
)

select
    located.cabinet_id,
    'lighting:' || located.cabinet_id as thing_id,
    located.label as name,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.longitude,
    located.latitude,
    located.control_mode,
    located.cut_from,
    located.cut_to,
    located.subscribed_power_kva,
    located.installed_date,
    coalesce(fed.light_point_count, 0) as light_point_count,
    coalesce(fed.rated_power_w, 0) as rated_power_w,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join fed on located.cabinet_id = fed.cabinet_id
left join commune on located.insee_code = commune.insee_code
