-- Tickets accepted on each line by parts of its day, none with fewer than 11 people behind it. Lines are never left
-- out, else the others and a total would tell of them: small ones are put together, with the next one when they are too
-- few, as `other`. The parts of a line's day are all of one length, the shortest that leaves none small.
{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['transit_validations'], 'margin_days': 1}}
) }}

with transit_validation as (
    select * from {{ ref('transit_validation') }}
    where is_accepted and {{ at_stake('validation_date', 'transit_line_usage_hour', 1) }}
),

validation as (
    select
        business_date,
        validation_date,
        coalesce(route_id, 'unknown') as unit_id,
        coalesce(card_id, validation_id) as person_id,
        hour(timezone('{{ var("time_zone") }}', validation_time)) as local_hour
    from transit_validation
),

{{ merged_units('validation') }},

lengthened as (
    select
        *,
        unnest([1, 3, 6, 12, 24]) as length_h
    from merged
),

part as (
    select
        business_date,
        group_id,
        length_h,
        (local_hour // length_h * length_h)::integer as start_hour,
        any_value(unit_count) as line_count,
        count(*)::integer as validation_count,
        {{ people('person_id', 'validation_date', 'business_date') }} as person_count
    from lengthened
    group by business_date, group_id, length_h, start_hour
),

safe_length as (
    select
        business_date,
        group_id,
        length_h
    from part
    group by business_date, group_id, length_h
    having min(person_count) >= {{ least_people() }}
),

safe as (
    select
        business_date,
        group_id,
        min(length_h) as length_h
    from safe_length
    group by business_date, group_id
)

select
    part.business_date,
    part.group_id as line_id,
    part.line_count,
    part.start_hour,
    part.start_hour + part.length_h::integer as end_hour,
    part.validation_count
from part
inner join safe
on part.business_date = safe.business_date and part.group_id = safe.group_id and part.length_h = safe.length_h
where {{ at_stake('part.business_date', 'transit_line_usage_hour') }}
