with bulletin as (
    select * from {{ ref('stg_water_loggers__bulletin') }}
)

select
    logger_id,
    'water_loggers:' || logger_id as thing_id,
    bulletin_date,
    volume_m3,
    flow_min_m3_h,
    flow_max_m3_h,
    flow_mean_m3_h,
    flow_night_m3_h,
    volume_m3 is not null as is_heard,
    source_file,
    source_sha256,
    source_row
from bulletin
