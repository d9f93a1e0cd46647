{# Numbers within bounds; either may be left out. Null passes: not_null says whether it may be. #}
{% test in_range(model, column_name, min=none, max=none) %}
    select {{ column_name }}
    from {{ model }}
    where
        false
        {% if min is not none %}or {{ column_name }} < {{ min }}{% endif %}
        {% if max is not none %}or {{ column_name }} > {{ max }}{% endif %}
{% endtest %}
