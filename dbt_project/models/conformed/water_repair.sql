with repair as (
    select * from {{ ref('stg_water_network__repair') }}
),

pipe as (
    select * from {{ ref('water_pipe') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

term as (
    select * from {{ ref('water_network_term') }}
),

-- the declared commune is that of the pipe
piped as (
    select
        repair.*,
        pipe.pipe_id as known_pipe_id,
        pipe.insee_code,
        pipe.sector_id
    from repair
    left join pipe on repair.pipe_id = pipe.asset_code and repair.pipe_id = pipe.pipe_id
),

located as (
    {{ with_commune('piped') }}
)

select
    located.repair_id,
    located.known_pipe_id as pipe_id,
    located.pipe_id as asset_code,
    located.repair_date,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.sector_id,
    coalesce(material.code, 'unknown') as material,
    located.diameter_mm,
    year(located.laid_date) as laid_year,
    coalesce(part.code, 'unknown') as part,
    coalesce(failure.code, 'unknown') as failure_type,
    coalesce(cause.code, 'unknown') as probable_cause,
    located.accuracy_class,
    located.longitude,
    located.latitude,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
left join term as material on material.attribute = 'material' and located.material = material.term
left join term as part on part.attribute = 'part' and located.part = part.term
left join term as failure on failure.attribute = 'failure_type' and located.failure_type = failure.term
left join term as cause on cause.attribute = 'probable_cause' and located.probable_cause = cause.term
