-- Increments of registers are shared over midnight as those of water are: linearly if the gap is under 6 hours, else
-- nobody's; within a day any gap counts.
{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['heat_network'], 'margin_days': 2}}
) }}

with counter_increment as (
    select * from {{ ref('counter_increment') }}
    where {{ at_stake('phenomenon_date', 'heat_delivery_day', 2) }}
),

observation as (
    select * from {{ ref('observation') }}
    where
        source_id = 'heat_network'
        and quality in ('good', 'suspect')
        and result is not null
        and {{ at_stake('phenomenon_date', 'heat_delivery_day', 1) }}
),

stream as (
    select * from {{ ref('datastream') }}
    where source_id = 'heat_network'
),

increment as (
    select
        stream.thing_id,
        stream.observed_property,
        counter_increment.phenomenon_time as start_time,
        counter_increment.phenomenon_end_time as end_time,
        counter_increment.increment,
        counter_increment.flag,
        epoch(counter_increment.phenomenon_end_time) - epoch(counter_increment.phenomenon_time) as gap_s,
        {{ business_date('counter_increment.phenomenon_time') }} as first_date,
        {{ business_date('counter_increment.phenomenon_end_time - interval 1 microsecond') }} as last_date
    from counter_increment
    inner join stream on counter_increment.datastream_id = stream.datastream_id
    where stream.observed_property in ('heat_index', 'volume_index')
),

portion as (
    select
        *,
        first_date as business_date,
        least(epoch(end_time), epoch({{ day_start('first_date + 1') }})) - epoch(start_time) as portion_s
    from increment
    where first_date = last_date or gap_s < 6 * 3600
    union all
    select
        *,
        last_date as business_date,
        epoch(end_time) - epoch({{ day_start('last_date') }}) as portion_s
    from increment
    where first_date <> last_date and gap_s < 6 * 3600
),

delivered as (
    select
        thing_id,
        business_date,
        sum(increment * portion_s / gap_s) filter (where observed_property = 'heat_index') as energy_kwh,
        sum(increment * portion_s / gap_s) filter (where observed_property = 'volume_index') as volume_m3,
        coalesce(sum(portion_s) filter (where observed_property = 'heat_index'), 0)
        / {{ day_seconds('business_date') }} as measured_share,
        count(*) filter (where observed_property = 'heat_index' and flag = 'reset')::integer as reset_count,
        count(*) filter (where observed_property = 'heat_index' and flag = 'rollover')::integer as rollover_count
    from portion
    group by thing_id, business_date
),

temperature as (
    select
        stream.thing_id,
        {{ business_date('observation.phenomenon_time') }} as business_date,
        avg(observation.result) filter (where stream.observed_property = 'water_flow_temperature') as flow_cel,
        avg(observation.result) filter (where stream.observed_property = 'water_return_temperature') as return_cel
    from observation
    inner join stream on observation.datastream_id = stream.datastream_id
    group by all
)

select
    delivered.thing_id,
    delivered.business_date,
    round(delivered.energy_kwh, 6) as energy_kwh,
    round(delivered.volume_m3, 6) as volume_m3,
    round(temperature.flow_cel, 6) as flow_temperature_cel,
    round(temperature.return_cel, 6) as return_temperature_cel,
    round(least(1, delivered.measured_share), 6) as measured_share,
    delivered.reset_count,
    delivered.rollover_count
from delivered
left join temperature
on delivered.thing_id = temperature.thing_id and delivered.business_date = temperature.business_date
where {{ at_stake('delivered.business_date', 'heat_delivery_day') }}
