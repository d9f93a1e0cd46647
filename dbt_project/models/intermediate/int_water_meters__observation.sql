with reading as (
    select * from {{ ref('stg_water_meters__reading') }}
    where {{ at_stake('event_date', 'observation') }}
)

select
    'water_meters' as source_id,
    'water_meters:' || meter_id || ':index_l' as datastream_id,
    reading_time as phenomenon_time,
    null::timestamptz as phenomenon_end_time,
    index_l::double as result,
    case when index_l is null then 'missing' else 'good' end as quality,
    source_file,
    source_sha256,
    source_row
from reading
