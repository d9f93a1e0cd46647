{# The same thing in two registers, by place.
   Belongs here: who is nearest to whom. Does not: what is then taken from which register. #}

{# (key, equipment_id, distance_m) of rows of `relation` (longitude, latitude) and assets of a category that are each
   other's nearest, `metres` apart at most. Reads a CTE `equipment`. #}
{% macro nearest_equipment(relation, key, category, metres) %}
    select
        {{ key }},
        equipment_id,
        distance_m
    from (
        select
            ours.{{ key }},
            theirs.equipment_id,
            -- metres on a plane that touches the earth there
            sqrt(
                pow((ours.longitude - theirs.longitude) * cos(radians(ours.latitude)), 2)
                + pow(ours.latitude - theirs.latitude, 2)
            ) * 111320 as distance_m
        from {{ relation }} as ours
        inner join equipment as theirs
            on
                theirs.category = '{{ category }}'
                and ours.latitude between theirs.latitude - {{ metres }} / 111320.0
                and theirs.latitude + {{ metres }} / 111320.0
    ) as pair
    where distance_m <= {{ metres }}
    qualify
        row_number() over (partition by {{ key }} order by distance_m, equipment_id) = 1
        and row_number() over (partition by equipment_id order by distance_m, {{ key }}) = 1
{%- endmacro %}
