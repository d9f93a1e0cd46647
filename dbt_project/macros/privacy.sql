{# Counts of people that may leave.
   Belongs here: how many people are enough, and how they are counted. Does not: what becomes of smaller cells. #}

{# k-anonymity: nothing that fewer people are behind is published. #}
{% macro least_people() -%}
    11
{%- endmacro %}

{# People of a group that are certainly different ones: a pseudonym is another after midnight UTC, in the middle of a
   business day, so those of both sides are not added up. `day` is the UTC day of the row. #}
{% macro people(pseudonym, day, business_day) -%}
    greatest(
        count(distinct {{ pseudonym }}) filter (where {{ day }} = {{ business_day }}),
        count(distinct {{ pseudonym }}) filter (where {{ day }} <> {{ business_day }})
    )
{%- endmacro %}

{# CTEs that end with `merged`: rows of `relation` (business_date, validation_date, unit_id, person_id ...) with group_id,
   the unit itself or `other`, and unit_count. Of the units of a day, smallest first, `other` takes all that are too
   small, and goes on until it is large enough itself: the groups then add up to the day and none is small. A day whose
   `other` still is, people of its units being the same ones, has no rows. #}
{% macro merged_units(relation) -%}
unit as (
    select
        business_date,
        unit_id,
        {{ people('person_id', 'validation_date', 'business_date') }} as person_count
    from {{ relation }}
    group by business_date, unit_id
),

ranked as (
    select
        *,
        min(person_count) over (partition by business_date) < {{ least_people() }} as has_small,
        coalesce(
            sum(person_count) over (
                partition by business_date order by person_count, unit_id
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as smaller_count
    from unit
),

chosen as (
    select
        business_date,
        unit_id,
        case
            when person_count < {{ least_people() }} or has_small and smaller_count < {{ least_people() }} then 'other'
            else unit_id
        end as group_id
    from ranked
),

grouped as (
    select
        {{ relation }}.*,
        chosen.group_id
    from {{ relation }}
    inner join chosen on {{ relation }}.business_date = chosen.business_date and {{ relation }}.unit_id = chosen.unit_id
),

counted as (
    select
        business_date,
        group_id,
        count(distinct unit_id)::integer as unit_count,
        {{ people('person_id', 'validation_date', 'business_date') }} as person_count
    from grouped
    group by business_date, group_id
),

safe_day as (
    select business_date
    from counted
    group by business_date
    having min(person_count) >= {{ least_people() }}
),

merged as (
    select
        grouped.*,
        counted.unit_count
    from grouped
    inner join safe_day on grouped.business_date = safe_day.business_date
    inner join counted on grouped.business_date = counted.business_date and grouped.group_id = counted.group_id
)
{%- endmacro %}
