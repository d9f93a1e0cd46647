-- Where a series with a declared step was silent: more than one and a half steps between two values.
{{ config(
    delta_strategy='replace_by_day',
    day_column='end_date',
    partition_by=['end_date'],
    meta={'stake': {'sources': 'telemetry', 'margin_days': 1}}
) }}

with regular as (
    select * from {{ ref('datastream') }}
    where declared_step_min is not null
),

-- A month back: a longer silence begins, as far as this table is concerned, with the first value after it.
measured as (
    select
        observation.datastream_id,
        observation.phenomenon_time,
        observation.phenomenon_date,
        60 * regular.declared_step_min as step_s
    from {{ ref('observation') }} as observation
    inner join regular on observation.datastream_id = regular.datastream_id
    where
        observation.quality <> 'missing'
        and {{ at_stake('observation.phenomenon_date', 'observation_gap', 31) }}
),

compared as (
    select
        *,
        lag(phenomenon_time) over (partition by datastream_id order by phenomenon_time) as previous_time
    from measured
),

silent as (
    select
        *,
        epoch(phenomenon_time) - epoch(previous_time) as silence_s
    from compared
    where previous_time is not null
)

select
    datastream_id,
    previous_time as start_time,
    phenomenon_time as end_time,
    (round(silence_s / step_s) - 1)::bigint as missing_count,
    phenomenon_date as end_date
from silent
where silence_s > 1.5 * step_s and {{ at_stake('phenomenon_date', 'observation_gap') }}
