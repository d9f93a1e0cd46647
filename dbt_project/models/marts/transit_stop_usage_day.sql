-- Tickets accepted at each stop place in a day, none with fewer than 11 people behind it. Both sides of a street
-- are one place. Small ones are put together as `other`, never left out: a total less the others would tell of them.
{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['transit_validations'], 'margin_days': 1}}
) }}

with transit_validation as (
    select * from {{ ref('transit_validation') }}
    where is_accepted and {{ at_stake('validation_date', 'transit_stop_usage_day', 1) }}
),

stop as (
    select * from {{ ref('transit_stop') }}
),

validation as (
    select
        transit_validation.business_date,
        transit_validation.validation_date,
        coalesce(stop.parent_stop_id, stop.stop_id, 'unknown') as unit_id,
        coalesce(transit_validation.card_id, transit_validation.validation_id) as person_id
    from transit_validation
    left join stop on transit_validation.stop_id = stop.stop_id
),

{{ merged_units('validation') }}

select
    business_date,
    group_id as place_id,
    any_value(unit_count) as place_count,
    count(*)::integer as validation_count
from merged
where {{ at_stake('business_date', 'transit_stop_usage_day') }}
group by business_date, group_id
