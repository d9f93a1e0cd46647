-- Sessions of each hotspot by parts of its day, none with fewer than 11 people behind it. The parts of a day are all of
-- one length, the shortest of 1, 3, 6, 12 and 24 hours that leaves no small part, and there is no total beside them: no
-- part can be had by subtraction. A day of under 11 people has no row.
{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['wifi_sessions'], 'margin_days': 1}}
) }}

with wifi_session as (
    select * from {{ ref('wifi_session') }}
    where {{ at_stake('start_date', 'wifi_usage_hour', 1) }}
),

session as (
    select
        thing_id,
        device_id,
        duration_min,
        start_date,
        {{ business_date('start_time') }} as business_date,
        hour(timezone('{{ var("time_zone") }}', start_time)) as local_hour,
        unnest([1, 3, 6, 12, 24]) as length_h
    from wifi_session
),

part as (
    select
        thing_id,
        business_date,
        length_h,
        (local_hour // length_h * length_h)::integer as start_hour,
        count(*)::integer as session_count,
        avg(duration_min) as mean_duration_min,
        {{ people('device_id', 'start_date', 'business_date') }} as person_count
    from session
    group by thing_id, business_date, length_h, start_hour
),

safe as (
    select
        thing_id,
        business_date,
        min(length_h) as length_h
    from (
        select
            thing_id,
            business_date,
            length_h
        from part
        group by thing_id, business_date, length_h
        having min(person_count) >= {{ least_people() }}
    ) as length
    group by thing_id, business_date
)

select
    part.thing_id,
    part.business_date,
    part.start_hour,
    part.start_hour + part.length_h::integer as end_hour,
    part.session_count,
    round(part.mean_duration_min, 6) as mean_duration_min
from part
inner join safe
on part.thing_id = safe.thing_id and part.business_date = safe.business_date and part.length_h = safe.length_h
where {{ at_stake('part.business_date', 'wifi_usage_hour') }}
