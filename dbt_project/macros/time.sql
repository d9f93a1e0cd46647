{# The business day: a calendar day of the territory's time zone.
   Belongs here: conversions between instants and business days. Does not: what is counted in a day. #}

{# Business day of an instant. #}
{% macro business_date(instant) -%}
    timezone('{{ var("time_zone") }}', {{ instant }})::date
{%- endmacro %}

{# The instant at which a business day begins. #}
{% macro day_start(day) -%}
    timezone('{{ var("time_zone") }}', ({{ day }})::timestamp)
{%- endmacro %}

{# Length of a business day in seconds: 23, 24 or 25 hours. #}
{% macro day_seconds(day) -%}
    (epoch({{ day_start(day ~ " + 1") }}) - epoch({{ day_start(day) }}))
{%- endmacro %}
