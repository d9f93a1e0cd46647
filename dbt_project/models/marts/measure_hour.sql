-- Good values alone make an hour; where there is none, doubtful ones do, and the hour says so.
{{ config(
    delta_strategy='replace_by_day',
    day_column='start_date',
    partition_by=['start_date'],
    meta={'stake': {
        'sources': ['air_stations', 'hydrometry', 'lorawan_uplinks', 'soil_moisture', 'weather_stations'],
        'margin_days': 1
    }}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where
        quality in ('good', 'suspect')
        and result is not null
        and {{ at_stake('phenomenon_date', 'measure_hour', 1) }}
),

datastream as (
    select * from {{ ref('datastream') }}
),

property as (
    select * from {{ ref('hourly_property') }}
),

stream as (
    select
        datastream.*,
        property.aggregation,
        property.is_end_stamped
    from datastream
    inner join property
    on datastream.source_id = property.source_id and datastream.property_code = property.property_code
),

-- What is stamped at its end belongs to the hour in which it began.
placed as (
    select
        stream.datastream_id,
        stream.thing_id,
        stream.source_id,
        stream.property_code,
        stream.observed_property,
        stream.unit_ucum,
        stream.aggregation,
        stream.declared_step_min,
        observation.result,
        observation.quality,
        date_trunc('hour', case
            when stream.is_end_stamped
                then observation.phenomenon_time - to_minutes(coalesce(stream.declared_step_min, 0))
            else observation.phenomenon_time
        end) as start_time
    from observation
    inner join stream on observation.datastream_id = stream.datastream_id
),

best as (
    select * from placed
    qualify quality = min(quality) over (partition by datastream_id, start_time)
),

by_hour as (
    select
        datastream_id,
        thing_id,
        source_id,
        property_code,
        observed_property,
        unit_ucum,
        start_time,
        timezone('UTC', start_time)::date as start_date,
        case any_value(aggregation)
            when 'mean' then avg(result)
            when 'sum' then sum(result)
            when 'maximum' then max(result)
            when 'level' then 10 * log10(avg(pow(10, result / 10)))
            when 'direction' then (degrees(atan2(avg(sin(radians(result))), avg(cos(radians(result))))) + 360) % 360
        end as value,
        case when any_value(aggregation) <> 'direction' then min(result) end as min_value,
        case when any_value(aggregation) <> 'direction' then max(result) end as max_value,
        count(*)::integer as value_count,
        case
            when any_value(declared_step_min) is not null
                then least(1, count(*) * any_value(declared_step_min) / 60)
        end as measured_share,
        any_value(quality) as quality
    from best
    group by datastream_id, thing_id, source_id, property_code, observed_property, unit_ucum, start_time
)

select
    datastream_id,
    thing_id,
    source_id,
    property_code,
    observed_property,
    unit_ucum,
    start_time,
    start_time + interval 1 hour as end_time,
    start_date,
    round(value, 6) as value,
    min_value,
    max_value,
    value_count,
    round(measured_share, 6) as measured_share,
    quality
from by_hour
where {{ at_stake('start_date', 'measure_hour') }}
