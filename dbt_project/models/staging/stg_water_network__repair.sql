with repair as (
    select * from {{ source('bronze', 'water_network__repair') }}
),

latest as (
    select * from repair
    where {{ is_latest_snapshot(source('bronze', 'water_network__repair')) }}
    qualify {{ is_latest_revision(['repair_id']) }}
)

select
    repair_id,
    pipe_id,
    repair_date,
    accuracy_class,
    material,
    diameter_mm,
    laid_date,
    part,
    failure_type,
    probable_cause,
    longitude,
    latitude,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
