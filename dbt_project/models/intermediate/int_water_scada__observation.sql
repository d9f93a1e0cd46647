with reading as (
    select * from {{ ref('stg_water_scada__reading') }}
    where {{ at_stake('event_date', 'observation') }}
)

select
    'water_scada' as source_id,
    'water_scada:' || unit_id || ':' || channel_id as datastream_id,
    reading_time as phenomenon_time,
    null::timestamptz as phenomenon_end_time,
    value as result,
    case
        when source_quality = 'Invalide' then 'bad'
        when value is null then 'missing'
        when source_quality = 'Bon' then 'good'
        else 'suspect'
    end as quality,
    source_file,
    source_sha256,
    source_row
from reading
