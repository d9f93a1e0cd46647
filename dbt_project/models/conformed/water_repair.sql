with repair as (
    select * from {{ ref('stg_water_network__repair') }}
),

pipe as (
    select * from {{ ref('water_pipe') }}
),

term as (
    select * from {{ ref('water_network_term') }}
)

select
    repair.repair_id,
    pipe.pipe_id,
    repair.pipe_id as asset_code,
    repair.repair_date,
    pipe.insee_code,
    pipe.commune_name,
    pipe.sector_id,
    coalesce(material.code, 'unknown') as material,
    repair.diameter_mm,
    year(repair.laid_date) as laid_year,
    coalesce(part.code, 'unknown') as part,
    coalesce(failure.code, 'unknown') as failure_type,
    coalesce(cause.code, 'unknown') as probable_cause,
    repair.accuracy_class,
    repair.longitude,
    repair.latitude,
    repair.source_file,
    repair.source_sha256,
    repair.source_row
from repair
left join pipe on repair.pipe_id = pipe.asset_code and repair.pipe_id = pipe.pipe_id
left join term as material on material.attribute = 'material' and repair.material = material.term
left join term as part on part.attribute = 'part' and repair.part = part.term
left join term as failure on failure.attribute = 'failure_type' and repair.failure_type = failure.term
left join term as cause on cause.attribute = 'probable_cause' and repair.probable_cause = cause.term
