-- What registers counted between two readings. A register that falls has started again: at zero past its last digit
-- (rollover), else because it was replaced or reset, and then what it shows is what it has counted since.
{{ config(
    delta_strategy='replace_by_day',
    day_column='phenomenon_date',
    partition_by=['phenomenon_date'],
    meta={'stake': {'sources': 'telemetry', 'margin_days': 1}}
) }}

with counter as (
    select * from {{ ref('datastream') }}
    where is_counter
),

-- A month back: an older reading is too far to say when what was counted since was used.
reading as (
    select
        observation.datastream_id,
        observation.phenomenon_time,
        observation.phenomenon_date,
        observation.result,
        counter.modulo,
        counter.declared_step_min
    from {{ ref('observation') }} as observation
    inner join counter on observation.datastream_id = counter.datastream_id
    where
        observation.quality in ('good', 'suspect')
        and observation.result is not null
        and {{ at_stake('observation.phenomenon_date', 'counter_increment', 31) }}
),

compared as (
    select
        *,
        lag(phenomenon_time) over in_time as previous_time,
        lag(result) over in_time as previous_result
    from reading
    window in_time as (partition by datastream_id order by phenomenon_time)
),

-- Rollover: from the last tenth of the register's range to its first tenth. Any other fall is a new register.
judged as (
    select
        *,
        case
            when result >= previous_result then 'normal'
            when previous_result >= 0.9 * modulo and result <= 0.1 * modulo then 'rollover'
            else 'reset'
        end as flag
    from compared
    where previous_time is not null
)

select
    datastream_id,
    previous_time as phenomenon_time,
    phenomenon_time as phenomenon_end_time,
    case flag
        when 'normal' then result - previous_result
        when 'rollover' then result + modulo - previous_result
        else result
    end as increment,
    flag,
    coalesce(
        epoch(phenomenon_time) - epoch(previous_time) > 1.5 * 60 * declared_step_min, false
    ) as is_over_gap,
    phenomenon_date
from judged
where {{ at_stake('phenomenon_date', 'counter_increment') }}
