{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['building_energy'], 'margin_days': 2}}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where source_id = 'building_energy' and {{ at_stake('phenomenon_date', 'building_energy_day', 1) }}
),

power_stream as (
    select * from {{ ref('datastream') }}
    where observed_property = 'active_power'
),

step as (
    select
        power_stream.thing_id,
        observation.quality = 'good' as is_measured,
        observation.result as power_w,
        {{ business_date('observation.phenomenon_time') }} as business_date,
        epoch(observation.phenomenon_end_time) - epoch(observation.phenomenon_time) as step_s
    from observation
    inner join power_stream on observation.datastream_id = power_stream.datastream_id
),

by_day as (
    select
        thing_id,
        business_date,
        sum(power_w * step_s) filter (where is_measured) / 3600000 as energy_kwh,
        max(power_w) filter (where is_measured) / 1000 as max_power_kw,
        coalesce(sum(step_s) filter (where is_measured), 0) / {{ day_seconds('business_date') }} as measured_share,
        count(*)::integer as step_count
    from step
    group by thing_id, business_date
)

select
    thing_id,
    business_date,
    round(energy_kwh, 6) as energy_kwh,
    max_power_kw,
    round(least(1, measured_share), 6) as measured_share,
    step_count
from by_day
where {{ at_stake('business_date', 'building_energy_day') }}
