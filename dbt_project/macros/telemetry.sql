{# Observations from staging models, as contracts declare them (`telemetry`).
   Belongs here: the one shape that all of them take. Does not: what a platform means by a value. #}

{# Rows of one staging model as observations: one per result and row, of the days at stake. #}
{% macro observations_of(told) -%}
    {%- set quality = told.quality -%}
    select
        '{{ told.source_id }}' as source_id,
        '{{ told.source_id }}:' || replace({{ told.thing }}::varchar, ':', '_') || ':' || one.code as datastream_id,
        {{ told.time }} as phenomenon_time,
        {{ told.end_time or 'null::timestamptz' }} as phenomenon_end_time,
        one.result as result,
        case
            {%- if quality and quality.bad %}
            when {{ quality.column }} in ({{ quoted(quality.bad) }}) then 'bad'
            {%- endif %}
            when one.result is null then 'missing'
            {%- if quality %}
            when {{ quality.column }} in ({{ quoted(quality.good) }}) then 'good'
            else 'suspect'
            {%- else %}
            else 'good'
            {%- endif %}
        end as quality,
        source_file,
        source_sha256,
        source_row
    from (
        select
            *,
            unnest([
                {%- for result in told.results %}
                {
                    'code': {% if result.code_column %}{{ result.code_column }}::varchar
                        {%- else %}'{{ result.code }}'{% endif %},
                    'result': {{ result.column }}::double
                }{{ ',' if not loop.last }}
                {%- endfor %}
            ]) as one
        from {{ ref(told.model) }}
        {%- if told.day %}
        where {{ at_stake(told.day, 'observation') }}
        {%- endif %}
    ) as told
{%- endmacro %}

{# Units that the rows of a staging model say themselves, per series. #}
{% macro units_told_by(told) -%}
    {%- for result in told.results if result.unit_column %}
    select
        '{{ told.source_id }}:' || replace({{ told.thing }}::varchar, ':', '_') || ':'
        || {% if result.code_column %}{{ result.code_column }}{% else %}'{{ result.code }}'{% endif %} as datastream_id,
        arg_max({{ result.unit_column }}, {{ told.time }}) as source_unit
    from {{ ref(told.model) }}
    where {{ at_stake(told.day, 'datastream') }}
    group by 1
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{% macro quoted(words) -%}
    {%- for word in words %}'{{ word | replace("'", "''") }}'{{ ', ' if not loop.last }}{% endfor -%}
{%- endmacro %}
