{{ config(
    delta_strategy='replace_by_day',
    day_column='start_date',
    meta={'stake': {'sources': ['traffic_counts'], 'margin_days': 0}}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where source_id = 'traffic_counts' and {{ at_stake('phenomenon_date', 'traffic_count_hour') }}
),

traffic_mode as (
    select * from {{ ref('traffic_mode') }}
),

-- Cameras alone: a counter of one mode has series of its own.
count_stream as (
    select datastream.*
    from {{ ref('datastream') }} as datastream
    inner join traffic_mode on datastream.property_code = traffic_mode.traffic_mode
    where datastream.source_id = 'traffic_counts'
)

select
    count_stream.thing_id,
    count_stream.native_id as segment_id,
    count_stream.property_code as traffic_mode,
    observation.phenomenon_time as start_time,
    observation.phenomenon_end_time as end_time,
    observation.phenomenon_date as start_date,
    observation.result as passage_count
from observation
inner join count_stream on observation.datastream_id = count_stream.datastream_id
