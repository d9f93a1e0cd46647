{# Corrections that a steward states, in the conformed models.
   Belongs here: what may be corrected, and how a statement takes effect. Does not: how a statement ended (the model
   `correction`). Raw data is never edited: a statement is a row of a source, and the models that it changes read it. #}

{# What may be corrected: table, its key, and the columns with their types. A model that is named here selects from
   `corrected()` and has the column correction_ids; `observation` applies its statements by time range itself. #}
{% macro correctable() %}
    {{ return({
        'thing': {'key': 'thing_id', 'columns': {
            'name': 'varchar', 'category': 'varchar', 'use': 'varchar', 'floor_area_m2': 'double',
            'commissioned_date': 'date'}},
        'location': {'key': 'thing_id', 'columns': {
            'insee_code': 'varchar', 'longitude': 'double', 'latitude': 'double'}},
        'equipment': {'key': 'equipment_id', 'columns': {
            'name': 'varchar', 'address': 'varchar', 'insee_code': 'varchar', 'longitude': 'double',
            'latitude': 'double', 'installed_date': 'date', 'condition': 'varchar', 'unit_count': 'bigint',
            'is_accessible': 'boolean'}},
        'car_park': {'key': 'car_park_id', 'columns': {'car_park_name': 'varchar', 'space_count': 'bigint'}},
        'charging_point': {'key': 'charging_point_id', 'columns': {
            'station_name': 'varchar', 'address': 'varchar', 'insee_code': 'varchar', 'longitude': 'double',
            'latitude': 'double', 'nominal_power_kw': 'double'}},
        'observation': {'key': 'datastream_id', 'columns': {'result': 'double', 'quality': 'varchar'}},
    }) }}
{% endmacro %}

{# The business day on which the build runs. #}
{% macro build_date() %}timezone('{{ var('time_zone') }}', now())::date{% endmacro %}

{# Rows of `relation` with what is stated of `table` put right and correction_ids added; reads a CTE `statement` of
   int_corrections__statement. A statement takes effect where its wrong value is the one that is there, and both its values
   are of the column's type; of several about one cell the last stated. #}
{% macro corrected(relation, table) %}
    {%- set target = correctable()[table] %}
    with matched as (
        {%- for column, type in target.columns.items() %}
        select
            told.{{ target.key }}::varchar as target_key,
            '{{ column }}' as target_column,
            statement.correction_id,
            statement.to_value,
            statement.stated_date
        from {{ relation }} as told
        inner join statement on told.{{ target.key }}::varchar = statement.target_key
        where
            statement.target_table = '{{ table }}'
            and statement.target_column = '{{ column }}'
            and told.{{ column }} is not distinct from try_cast(statement.from_value as {{ type }})
            and (statement.from_value is null or try_cast(statement.from_value as {{ type }}) is not null)
            and (statement.to_value is null or try_cast(statement.to_value as {{ type }}) is not null)
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ),

    chosen as (
        select * from matched
        qualify row_number() over (
            partition by target_key, target_column order by stated_date desc, correction_id desc
        ) = 1
    ),

    by_row as (
        select
            target_key,
            string_agg(correction_id, ';' order by correction_id) as correction_ids
            {%- for column in target.columns %},
            count(*) filter (where target_column = '{{ column }}') > 0 as has_{{ column }},
            max(to_value) filter (where target_column = '{{ column }}') as to_{{ column }}
            {%- endfor %}
        from chosen
        group by target_key
    )

    select
        told.* replace (
            {%- for column, type in target.columns.items() %}
            if(by_row.has_{{ column }}, try_cast(by_row.to_{{ column }} as {{ type }}), told.{{ column }}) as {{ column }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ),
        by_row.correction_ids
    from {{ relation }} as told
    left join by_row on told.{{ target.key }}::varchar = by_row.target_key
{%- endmacro %}

{# Key and corrections in effect of every row that may be corrected, but observations'. #}
{% macro correction_targets() %}
    {%- for table, target in correctable().items() if table != 'observation' %}
    select
        '{{ table }}' as target_table,
        {{ target.key }}::varchar as target_key,
        correction_ids
    from {{ ref(table) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{% endmacro %}

{# Statements about a column that may be corrected, and whether they are of its type; reads a CTE `correction`. #}
{% macro correctable_columns() %}
    {%- for table, target in correctable().items() %}
        {%- set last_table = loop.last %}
        {%- for column, type in target.columns.items() %}
    select
        correction_id,
        (from_value is null or try_cast(from_value as {{ type }}) is not null)
        and (to_value is null or try_cast(to_value as {{ type }}) is not null)
            {%- if table == 'observation' %}
        and coalesce(start_time < end_time, false)
                {%- if column == 'quality' %}
        and coalesce(to_value in ('good', 'suspect', 'bad', 'missing'), false)
                {%- endif %}
            {%- endif %} as is_typed
    from correction
    where target_table = '{{ table }}' and target_column = '{{ column }}'
    {{ 'union all' if not (last_table and loop.last) }}
        {%- endfor %}
    {%- endfor %}
{% endmacro %}

{# Predicate on a day column: the days that corrections of observations are about, as literals, so that delta_scan skips
   the files of all others. #}
{% macro corrected_days(column) %}
    {%- set statement = ref('int_corrections__statement') %}
    {%- if not execute %}true
    {%- else %}
        {%- set query -%}
            select min(timezone('UTC', start_time)::date)::varchar, max(timezone('UTC', end_time)::date)::varchar
            from {{ statement }}
            where target_table = 'observation'
        {%- endset %}
        {%- set first, last = run_query(query).rows[0] %}
        {{- column ~ " between date '" ~ first ~ "' and date '" ~ last ~ "'" if first else 'false' }}
    {%- endif %}
{% endmacro %}
