with border as (
    select * from {{ ref('stg_water_sectors__border') }}
)

select
    sector_id,
    logger_id,
    'water_loggers:' || logger_id || ':flow' as datastream_id,
    sign,
    source_file,
    source_sha256,
    source_row
from border
