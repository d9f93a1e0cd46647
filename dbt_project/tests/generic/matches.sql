{# Text that has the whole of a regular expression. Null passes. #}
{% test matches(model, column_name, pattern) %}
    select {{ column_name }}
    from {{ model }}
    where not regexp_full_match({{ column_name }}, '{{ pattern }}')
{% endtest %}
