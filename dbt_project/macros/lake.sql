{# Write, audit, publish: a model is written as a candidate, its tests read the candidate, and only then is it promoted.
   Belongs here: the calls to the `lake` plugin. Does not: SQL about a domain. #}

{% macro lake_call(relation, options) %}
    {# store_relation is the one way from a macro to the plugin; answers come back in `options`. #}
    {% do adapter.store_relation('lake', relation, [], '', 'delta', options) %}
{% endmacro %}

{% macro attach_lake() %}
    {% if execute %}
        {% do lake_call(api.Relation.create(schema='main', identifier='lake'), {'action': 'attach'}) %}
    {% endif %}
{% endmacro %}

{# Views are made for what exists, when dbt connects and when a model is built. #}
{% macro has_view(relation) %}
    {% set query -%}
        select 1 from duckdb_views()
        where database_name = current_database() and schema_name = '{{ relation.schema }}'
            and view_name = '{{ relation.identifier }}'
    {%- endset %}
    {{ return(run_query(query) | length > 0) }}
{% endmacro %}

{% materialization delta, adapter='duckdb', supported_languages=['sql'] %}
    {%- set target = this.incorporate(type='view') -%}
    {%- set sql = compiled_code -%}
    {%- set strategy = config.get('delta_strategy', 'overwrite') -%}
    {%- if strategy not in ['overwrite', 'replace_by_day', 'merge'] -%}
        {% do exceptions.raise_compiler_error(
            model.unique_id ~ ": delta_strategy is '" ~ strategy ~ "'; expected overwrite, replace_by_day or merge") %}
    {%- endif -%}
    {%- set days = stake_days(model.name) if strategy == 'replace_by_day' else none -%}
    {%- if strategy == 'replace_by_day' and days is none -%}
        {%- set strategy = 'overwrite' -%}
    {%- elif strategy == 'merge' and should_full_refresh() -%}
        {%- set strategy = 'overwrite' -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks) }}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
        {%- set sql = get_select_subquery(sql) -%}
    {%- endif -%}
    {%- set options = {
        'action': 'stage', 'sql': sql, 'unique_id': model.unique_id, 'invocation_id': invocation_id,
        'strategy': strategy, 'days': days or [], 'day_column': config.get('day_column'),
        'partition_by': config.get('partition_by'), 'unique_key': config.get('unique_key')
    } -%}
    {% do lake_call(target, options) %}
    {% call statement('main') -%}
        create or replace view {{ target }} as {{ options['view_sql'] }}
    {%- endcall %}
    {% call statement('fresh') -%}
        create or replace view fresh.{{ target.identifier }} as {{ options['fresh_sql'] }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# After a build: promote the models that succeeded and whose tests did not fail, forget the candidates of the others.
   Models tagged awaits_audit stay candidates until the audit. After a plain `dbt run` nothing was tested, hence nothing
   is promoted. #}
{% macro promote_candidates(results) %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% set failed = [] %}
        {% for result in results if result.node.resource_type in ['test', 'unit_test']
                and result.status in ['fail', 'error', 'runtime error'] %}
            {% set attached = result.node.attached_node %}
            {% do failed.extend([attached] if attached else result.node.depends_on.nodes) %}
        {% endfor %}
        {% for result in results if result.node.resource_type == 'model'
                and result.node.config.materialized == 'delta' %}
            {% set node = result.node %}
            {% set relation = api.Relation.create(
                database=node.database, schema=node.schema, identifier=node.alias) %}
            {% set name = node.schema ~ '.' ~ node.alias %}
            {% if result.status != 'success' or node.unique_id in failed %}
                {% do lake_call(relation, {'action': 'discard'}) %}
                {% do log('held back ' ~ name ~ ': its last good version stays current', info=true) %}
            {% elif flags.WHICH == 'build' and 'awaits_audit' not in node.tags %}
                {% set options = {'action': 'promote'} %}
                {% do lake_call(relation, options) %}
                {% set outcome = 'promoted ' if options['committed'] else 'unchanged ' %}
                {% do log(outcome ~ name ~ ', version ' ~ options['version'], info=true) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# Tests of a table that is replaced by day look at the rows of this build only: the others passed when they came in, and
   the cost of a day must not grow with the days kept. Written as `config: {where: __fresh__}`. #}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where == '__fresh__' -%}
        {%- set fresh = api.Relation.create(schema='fresh', identifier=relation.identifier) -%}
        {{ return('(select * from ' ~ (fresh if has_view(fresh) else relation) ~ ') as rows_of_this_build') }}
    {%- elif where -%}
        {{ return('(select * from ' ~ relation ~ ' where ' ~ where ~ ') as chosen_rows') }}
    {%- else -%}
        {{ return(relation) }}
    {%- endif -%}
{%- endmacro %}
