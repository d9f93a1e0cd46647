{# An interval does not end before it begins. #}
{% test not_after(model, column_name, end_column) %}
    select {{ column_name }}, {{ end_column }}
    from {{ model }}
    where {{ column_name }} > {{ end_column }}
{% endtest %}
