{# The business day it is: a macro, so that unit tests can set the clock. #}
{% macro today() -%}
    {{ business_date('now()') }}
{%- endmacro %}
