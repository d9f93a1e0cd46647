-- Volume of a business day from cumulative indexes. An index that falls was reset (or the meter replaced), or its six
-- digits rolled over; what is added then must be plausible beside the flow of the 24 hours around, else it is 0.
{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['water_meters', 'water_scada'], 'margin_days': 3}}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where {{ at_stake('phenomenon_date', 'water_volume_day', 3) }}
),

index_stream as (
    select * from {{ ref('datastream') }}
    where observed_property = 'volume_index'
),

reading as (
    select
        index_stream.datastream_id,
        index_stream.thing_id,
        index_stream.unit_ucum,
        observation.phenomenon_time as reading_time,
        case when index_stream.unit_ucum = 'L' then observation.result / 1000 else observation.result end as index_m3
    from observation
    inner join index_stream on observation.datastream_id = index_stream.datastream_id
    where observation.quality = 'good' and observation.result >= 0
),

neighbour as (
    select
        *,
        lag(reading_time) over by_stream as previous_time,
        lag(index_m3) over by_stream as previous_m3
    from reading
    window by_stream as (partition by datastream_id order by reading_time)
),

step as (
    select
        *,
        index_m3 - previous_m3 as raw_m3,
        epoch(reading_time) - epoch(previous_time) as gap_s
    from neighbour
    where previous_time is not null
),

-- A falling index may hide at most three times the strongest flow seen within a day, 1 m3 at least.
plausible as (
    select
        *,
        greatest(1, 3 * gap_s * max(case when raw_m3 >= 0 then raw_m3 / gap_s end) over (
            partition by datastream_id order by reading_time
            range between interval 1 day preceding and interval 1 day following
        )) as most_m3
    from step
),

resolved as (
    select
        *,
        raw_m3 < 0 and unit_ucum = 'm3' and previous_m3 < 1000000
        and raw_m3 + 1000000 <= most_m3 as is_rollover
    from plausible
),

increment as (
    select
        *,
        raw_m3 < 0 and not is_rollover as is_reset,
        case
            when raw_m3 >= 0 then raw_m3
            when is_rollover then raw_m3 + 1000000
            when index_m3 <= most_m3 then index_m3
            else 0
        end as volume_m3,
        {{ business_date('previous_time') }} as first_date,
        {{ business_date('reading_time - interval 1 microsecond') }} as last_date
    from resolved
),

-- Within a day any gap is measured, since indexes add up; over midnight, a gap of 6 hours or more is left unassigned.
portion as (
    select
        *,
        first_date as business_date,
        least(epoch(reading_time), epoch({{ day_start('first_date + 1') }})) - epoch(previous_time) as portion_s
    from increment
    where first_date = last_date or gap_s < 6 * 3600
    union all
    select
        *,
        last_date as business_date,
        epoch(reading_time) - epoch({{ day_start('last_date') }}) as portion_s
    from increment
    where first_date <> last_date and gap_s < 6 * 3600
),

by_day as (
    select
        datastream_id,
        thing_id,
        business_date,
        sum(volume_m3 * portion_s / gap_s) as volume_m3,
        least(1, sum(portion_s) / {{ day_seconds('business_date') }}) as measured_share,
        count(*)::integer as increment_count,
        count(*) filter (where is_reset)::integer as reset_count,
        count(*) filter (where is_rollover)::integer as rollover_count
    from portion
    where portion_s > 0
    group by datastream_id, thing_id, business_date
)

select
    datastream_id,
    thing_id,
    business_date,
    round(volume_m3, 6) as volume_m3,
    round(measured_share, 6) as measured_share,
    increment_count,
    reset_count,
    rollover_count
from by_day
where {{ at_stake('business_date', 'water_volume_day') }}
