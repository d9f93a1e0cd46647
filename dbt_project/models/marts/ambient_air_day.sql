-- Air around a probe over a business day; which probes are indoors the register says, to the reader. Opening hours are
-- supposed: Monday to Friday, 8 to 18, outside public holidays. Beyond 5000 ppm, the range of the sensors that the
-- decree of 2012 asks for, or at 0, carbon dioxide was not measured.
{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['building_bms', 'lorawan_uplinks'], 'margin_days': 1}}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where
        source_id in ('building_bms', 'lorawan_uplinks')
        and quality in ('good', 'suspect')
        and result is not null
        and {{ at_stake('phenomenon_date', 'ambient_air_day', 1) }}
),

datastream as (
    select * from {{ ref('datastream') }}
),

holiday as (
    select * from {{ ref('public_holiday') }}
),

-- A building's controller also measures outside.
air_stream as (
    select
        datastream.datastream_id,
        datastream.thing_id,
        case
            when datastream.observed_property = 'carbon_dioxide' then 'co2'
            when datastream.observed_property in ('room_temperature', 'air_temperature') then 'temperature'
            when datastream.observed_property = 'relative_humidity' then 'humidity'
        end as quantity
    from datastream
    where
        (
            datastream.source_id = 'building_bms'
            and datastream.observed_property in ('carbon_dioxide', 'room_temperature')
        )
        or (
            datastream.source_id = 'lorawan_uplinks'
            and datastream.observed_property in ('carbon_dioxide', 'air_temperature', 'relative_humidity')
        )
),

local_value as (
    select
        air_stream.thing_id,
        air_stream.quantity,
        observation.result,
        date_trunc('hour', observation.phenomenon_time) as hour_time,
        timezone('{{ var("time_zone") }}', observation.phenomenon_time) as local_time
    from observation
    inner join air_stream on observation.datastream_id = air_stream.datastream_id
    where air_stream.quantity <> 'co2' or (observation.result > 0 and observation.result <= 5000)
),

placed as (
    select
        local_value.thing_id,
        local_value.result,
        local_value.hour_time,
        local_value.local_time::date as business_date,
        local_value.quantity = 'co2' as is_co2,
        local_value.quantity = 'temperature' as is_temperature,
        local_value.quantity = 'humidity' as is_humidity,
        local_value.quantity = 'co2'
        and isodow(local_value.local_time) <= 5
        and extract('hour' from local_value.local_time) between 8 and 17
        and holiday.holiday_date is null as is_open_co2
    from local_value
    left join holiday on local_value.local_time::date = holiday.holiday_date
),

by_day as (
    select
        thing_id,
        business_date,
        avg(result) filter (where is_co2) as co2_mean_ppm,
        max(result) filter (where is_co2) as co2_max_ppm,
        avg(result) filter (where is_open_co2) as co2_open_mean_ppm,
        avg((result > 800)::integer) filter (where is_open_co2) as co2_over_800_share,
        avg((result > 1500)::integer) filter (where is_open_co2) as co2_over_1500_share,
        avg((result >= 1000 and result <= 1700)::integer) filter (where is_open_co2) as co2_1000_to_1700_share,
        avg((result > 1700)::integer) filter (where is_open_co2) as co2_over_1700_share,
        avg(result) filter (where is_temperature) as temperature_mean_cel,
        min(result) filter (where is_temperature) as temperature_min_cel,
        max(result) filter (where is_temperature) as temperature_max_cel,
        avg(result) filter (where is_humidity) as humidity_mean_pct,
        count(distinct hour_time) * 3600 / {{ day_seconds('business_date') }} as measured_share,
        count(distinct hour_time) filter (where is_open_co2) / 10 as open_measured_share
    from placed
    group by thing_id, business_date
)

select
    thing_id,
    business_date,
    round(co2_mean_ppm, 6) as co2_mean_ppm,
    co2_max_ppm,
    round(co2_open_mean_ppm, 6) as co2_open_mean_ppm,
    round(co2_over_800_share, 6) as co2_over_800_share,
    round(co2_over_1500_share, 6) as co2_over_1500_share,
    round(co2_1000_to_1700_share, 6) as co2_1000_to_1700_share,
    round(co2_over_1700_share, 6) as co2_over_1700_share,
    round(2.5 / log10(2) * log10(1 + co2_1000_to_1700_share + 3 * co2_over_1700_share), 6) as confinement_index,
    round(temperature_mean_cel, 6) as temperature_mean_cel,
    temperature_min_cel,
    temperature_max_cel,
    round(humidity_mean_pct, 6) as humidity_mean_pct,
    round(measured_share, 6) as measured_share,
    round(open_measured_share, 6) as open_measured_share
from by_day
where {{ at_stake('business_date', 'ambient_air_day') }}
