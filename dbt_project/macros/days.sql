{# Which days a build must look at again.
   Belongs here: days at stake from the ledger, and the predicates that select them. Does not: what is done with them. #}

{# Ids of corrections that were stated, revised or lapsed since the last build that was recorded. #}
{% macro corrections_at_stake() %}
                select stated.correction_id
                from bronze.corrections__correction as stated
                left join ops.ingest_file as file
                    on file.bronze_table = 'corrections__correction' and stated.source_sha256 = file.sha256
                left join ops.build_input as consumed on consumed.bronze_table = 'corrections__correction'
                where file.delta_version > coalesce(consumed.delta_version, -1)
                    or (
                        stated.until_date < {{ build_date() }}
                        and stated.until_date >= timezone('{{ var('time_zone') }}', consumed.built_time)::date
                    )
{% endmacro %}

{# Note once, when a command starts, the UTC days of each source that are touched by files loaded since the last build that
   was recorded, or by corrections of observations: the ledger grows, and must not be read once per model. #}
{% macro note_touched_days() %}
    {%- if execute %}
        create or replace table main.touched_day as
        with consumed as (
            select bronze_table, arg_max(delta_version, built_time) as delta_version
            from ops.build_input
            group by bronze_table
        )
        select distinct file.source, unnest(file.event_dates) as day
        from ops.ingest_file as file
        left join consumed on file.bronze_table = consumed.bronze_table
        where file.delta_version > coalesce(consumed.delta_version, -1)
        {%- if has_view(api.Relation.create(schema='bronze', identifier='corrections__correction')) %}
        union
        select
            split_part(correction.target_key, ':', 1) as source,
            unnest(generate_series(
                timezone('UTC', correction.start_time)::date, timezone('UTC', correction.end_time)::date, interval 1 day
            ))::date as day
        from bronze.corrections__correction as correction
        where correction.target_table = 'observation'
            and correction.correction_id in ({{ corrections_at_stake() }})
        {%- endif %}
    {%- endif %}
{% endmacro %}

{# ISO dates (UTC) that are touched, each with `margin_days` around it. #}
{% macro days_at_stake(sources, margin_days=0) %}
    {% if not execute %}{{ return([]) }}{% endif %}
    {% set query %}
        select distinct strftime(day + offset_days::integer, '%Y-%m-%d') as day
        from main.touched_day, range(-{{ margin_days }}, {{ margin_days }} + 1) as margin (offset_days)
        where source in ('{{ sources | join("', '") }}')
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
