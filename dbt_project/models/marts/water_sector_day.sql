-- Balance of a district metered area over a business day. Its flow at an instant is known only when every logger at its
-- border was heard. At night little is drawn, so the flow between 02:00 and 04:00 shows what leaks: a mean, kept only
-- when nine readings of ten are there.
{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['water_loggers'], 'margin_days': 2}}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where
        source_id = 'water_loggers' and quality = 'good'
        and {{ at_stake('phenomenon_date', 'water_sector_day', 1) }}
),

sector as (
    select * from {{ ref('water_sector') }}
),

border as (
    select * from {{ ref('water_sector_logger') }}
),

datastream as (
    select * from {{ ref('datastream') }}
    where source_id = 'water_loggers'
),

-- The readings of a sector are simultaneous: the longest declared step is everybody's.
series as (
    select
        border.sector_id,
        border.sign,
        datastream.datastream_id,
        datastream.observed_property,
        60 * max(datastream.declared_step_min) over (partition by border.sector_id) as step_s
    from border
    inner join datastream on border.logger_id = datastream.native_id
    where datastream.observed_property in ('flow', 'pressure')
),

reading as (
    select
        series.sector_id,
        series.observed_property,
        series.step_s,
        observation.phenomenon_time,
        observation.result,
        series.sign * observation.result as signed_result,
        {{ business_date('observation.phenomenon_time') }} as business_date,
        hour(timezone('{{ var("time_zone") }}', observation.phenomenon_time)) as local_hour
    from observation
    inner join series on observation.datastream_id = series.datastream_id
),

flow as (
    select
        reading.sector_id,
        reading.business_date,
        reading.phenomenon_time,
        any_value(reading.local_hour) as local_hour,
        any_value(reading.step_s) as step_s,
        sum(greatest(reading.signed_result, 0)) as inflow_m3_h,
        sum(greatest(-reading.signed_result, 0)) as outflow_m3_h,
        sum(reading.signed_result) as flow_m3_h
    from reading
    inner join sector on reading.sector_id = sector.sector_id
    where reading.observed_property = 'flow'
    group by reading.sector_id, reading.business_date, reading.phenomenon_time
    having count(*) = any_value(sector.logger_count)
),

-- One hour of readings up to each, as long as none is missing.
rolling as (
    select
        *,
        avg(flow_m3_h) over last_hour as hour_flow_m3_h,
        count(*) over last_hour * step_s = 3600 and min(local_hour) over last_hour >= 2 and local_hour < 5
            as is_night_hour
    from flow
    window
        last_hour as (
            partition by sector_id order by phenomenon_time
            range between interval 3599 seconds preceding and current row
        )
),

-- From 01:00 to 04:00 less an hour: 02:00 comes twice in October and never in March.
day_flow as (
    select
        sector_id,
        business_date,
        sum(inflow_m3_h * step_s) / 3600 as inflow_m3,
        sum(outflow_m3_h * step_s) / 3600 as outflow_m3,
        sum(flow_m3_h * step_s) / 3600 as volume_m3,
        avg(flow_m3_h) as mean_flow_m3_h,
        sum(step_s) / {{ day_seconds('business_date') }} as measured_share,
        avg(flow_m3_h) filter (where local_hour in (2, 3)) as night_flow_m3_h,
        coalesce(sum(step_s) filter (where local_hour in (2, 3)), 0) / (
            epoch({{ day_start('business_date + interval 4 hour') }})
            - epoch({{ day_start('business_date + interval 1 hour') }}) - 3600
        ) as night_measured_share,
        min(hour_flow_m3_h) filter (where is_night_hour) as least_hour_flow_m3_h
    from rolling
    group by sector_id, business_date
),

pressure as (
    select
        sector_id,
        business_date,
        phenomenon_time,
        any_value(local_hour) as local_hour,
        avg(result) as pressure_bar
    from reading
    where observed_property = 'pressure' and result > 0
    group by sector_id, business_date, phenomenon_time
),

night_pressure as (
    select
        sector_id,
        business_date,
        avg(pressure_bar) filter (where local_hour in (2, 3)) as night_bar
    from pressure
    group by sector_id, business_date
),

-- Leaks run slower by day, when pressure is lower: the hours of night flow that a day of leaking is worth, each with
-- the usual exponent of mixed pipes, 1.1.
night_day as (
    select
        pressure.sector_id,
        pressure.business_date,
        avg(pow(pressure.pressure_bar / night_pressure.night_bar, 1.1))
        * {{ day_seconds('pressure.business_date') }} / 3600 as night_day_factor_h
    from pressure
    inner join night_pressure
    on pressure.sector_id = night_pressure.sector_id and pressure.business_date = night_pressure.business_date
    group by pressure.sector_id, pressure.business_date
),

known as (
    select
        day_flow.*,
        sector.network_km,
        sector.resident_count,
        night_day.night_day_factor_h,
        case when day_flow.night_measured_share >= 0.9 then day_flow.night_flow_m3_h end as sure_night_flow_m3_h
    from day_flow
    inner join sector on day_flow.sector_id = sector.sector_id
    left join night_day
    on day_flow.sector_id = night_day.sector_id and day_flow.business_date = night_day.business_date
),

-- Asleep, an inhabitant still draws 1.9 l/h: the middle of what studies of night use find, 1.3 to 2.5.
lost as (
    select
        *,
        greatest(0, sure_night_flow_m3_h - 0.0019 * resident_count) * night_day_factor_h as loss_m3
    from known
)

select
    sector_id,
    business_date,
    round(inflow_m3, 6) as inflow_m3,
    round(outflow_m3, 6) as outflow_m3,
    round(volume_m3, 6) as volume_m3,
    round(measured_share, 6) as measured_share,
    round(mean_flow_m3_h, 6) as mean_flow_m3_h,
    round(sure_night_flow_m3_h, 6) as night_flow_m3_h,
    round(least_hour_flow_m3_h, 6) as least_hour_flow_m3_h,
    round(night_day_factor_h, 6) as night_day_factor_h,
    round(loss_m3, 6) as loss_m3,
    round(loss_m3 / nullif(network_km, 0), 6) as linear_loss_m3_km
from lost
where {{ at_stake('business_date', 'water_sector_day') }}
