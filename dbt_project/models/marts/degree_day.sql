-- How cold a business day was. With less than 90 % of its expected values a day's extremes are not known, and it has no
-- degree days: the share that night flows ask for as well.
{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['weather_stations'], 'margin_days': 1}}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where
        source_id = 'weather_stations'
        and quality in ('good', 'suspect')
        and result is not null
        and {{ at_stake('phenomenon_date', 'degree_day', 1) }}
),

stream as (
    select * from {{ ref('datastream') }}
    where source_id = 'weather_stations' and observed_property = 'air_temperature'
),

by_day as (
    select
        stream.thing_id,
        {{ business_date('observation.phenomenon_time') }} as business_date,
        min(observation.result) as lowest_cel,
        max(observation.result) as highest_cel,
        avg(observation.result) as mean_cel,
        count(*) * 60 * any_value(stream.declared_step_min) as measured_s
    from observation
    inner join stream on observation.datastream_id = stream.datastream_id
    group by all
),

covered as (
    select
        *,
        least(1, coalesce(measured_s, 0) / {{ day_seconds('business_date') }}) as measured_share
    from by_day
)

select
    thing_id,
    business_date,
    lowest_cel as temperature_min_cel,
    highest_cel as temperature_max_cel,
    round(mean_cel, 6) as temperature_mean_cel,
    case
        when measured_share >= 0.9 then round(greatest(0, 18 - (lowest_cel + highest_cel) / 2), 6)
    end as heating_degrees_simple_cel,
    case
        when measured_share < 0.9 then null
        when lowest_cel >= 18 then 0
        when highest_cel <= 18 then round(18 - (lowest_cel + highest_cel) / 2, 6)
        else round((18 - lowest_cel) * (0.08 + 0.42 * (18 - lowest_cel) / (highest_cel - lowest_cel)), 6)
    end as heating_degrees_professional_cel,
    round(measured_share, 6) as measured_share
from covered
where {{ at_stake('business_date', 'degree_day') }}
