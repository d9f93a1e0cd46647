{# Which days a build must look at again.
   Belongs here: days at stake from the ledger, and the predicates that select them. Does not: what is done with them. #}

{# ISO dates (UTC) touched by files loaded since the last build that was recorded, each with `margin_days` around it. #}
{% macro days_at_stake(sources, margin_days=0) %}
    {% if not execute %}{{ return([]) }}{% endif %}
    {% set query %}
        with consumed as (
            select bronze_table, arg_max(delta_version, built_time) as delta_version
            from ops.build_input
            group by bronze_table
        ),
        touched as (
            select distinct unnest(file.event_dates) as day
            from ops.ingest_file as file
            left join consumed on file.bronze_table = consumed.bronze_table
            where file.source in ('{{ sources | join("', '") }}')
                and file.delta_version > coalesce(consumed.delta_version, -1)
        )
        select distinct strftime(day + offset_days::integer, '%Y-%m-%d') as day
        from touched, range(-{{ margin_days }}, {{ margin_days }} + 1) as margin (offset_days)
        order by day
    {% endset %}
    {{ return(run_query(query).columns[0].values() | list) }}
{% endmacro %}

{# Days at stake of a model, by its `meta.stake: {sources: [...] or 'telemetry', margin_days: n}`; none means all of them: a full
   refresh, or a table that does not exist yet. #}
{% macro stake_days(target_name, extra_days=0) %}
    {% if not execute %}{{ return(none) }}{% endif %}
    {% set node = graph.nodes['model.' ~ project_name ~ '.' ~ target_name] %}
    {% set relation = api.Relation.create(schema=node.schema, identifier=node.alias) %}
    {% if flags.FULL_REFRESH or not has_view(relation) %}{{ return(none) }}{% endif %}
    {% set stake = node.config.meta['stake'] %}
    {% set sources = telemetry_sources() if stake['sources'] == 'telemetry' else stake['sources'] %}
    {{ return(days_at_stake(sources, stake['margin_days'] + extra_days)) }}
{% endmacro %}

{# Predicate on a day column, for building `target_name`: literals, so that delta_scan skips files. `extra_days` widens
   it for rows that are only read. #}
{% macro at_stake(column, target_name, extra_days=0) %}
    {%- set days = stake_days(target_name, extra_days) -%}
    {%- if days is none -%}
        true
    {%- elif days | length == 0 -%}
        false
    {%- else -%}
        {%- set first = modules.datetime.date.fromisoformat(days[0]) -%}
        {%- set last = modules.datetime.date.fromisoformat(days[-1]) -%}
        {{ column }} between date '{{ first }}' and date '{{ last }}'
        {%- if (last - first).days + 1 != days | length %} and {{ column }} in (date '{{ days | join("', date '") }}')
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
