{# National ids that we number ourselves.
   Belongs here: which things get one, and what was already given. Does not: the numbering (models/conformed/national_id). #}

{# A kind of thing, or one more relation of a kind, is a line of this list. A relation has the columns insee_code and,
   under the names said here, the key of the thing and a time that does not change when the same files are loaded again.
   `form` is filled with the commune and the number. #}
{% macro things_to_number() %}
    {%- set relations = [
        {'id_kind': 'stationnement', 'form': '%s-P-%03d',
         'model': 'car_park', 'thing_key': 'thing_id', 'first_seen_time': 'first_seen_time'},
    ] -%}
    {%- for relation in relations %}
    select
        '{{ relation.id_kind }}' as id_kind,
        '{{ relation.form }}' as form,
        {{ relation.thing_key }}::varchar as thing_key,
        insee_code,
        {{ relation.first_seen_time }} as first_seen_time
    from {{ ref(relation.model) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{% endmacro %}

{# Rows of a model's own current version, none before there is one. Unlike `is_incremental`, also in a full refresh.
   `columns` is a list of (name, type). #}
{% macro current_version(columns) %}
    {%- if execute and has_view(this) %}
    select {% for name, type in columns %}{{ name }}{{ ', ' if not loop.last }}{% endfor %} from {{ this }}
    {%- else %}
    select {% for name, type in columns %}null::{{ type }} as {{ name }}{{ ', ' if not loop.last }}{% endfor %} where false
    {%- endif %}
{% endmacro %}
