{# A free text without e-mail addresses and French telephone numbers: what people typed may name a person's. #}
{% macro without_contacts(column) -%}
    regexp_replace(
        regexp_replace({{ column }}, '[\w.+-]+@[\w-]+(\.[\w-]+)+', '[…]', 'g'),
        '(\+33|\b0033|\b0)[ .-]?[1-9]([ .-]?\d\d){4}\b', '[…]', 'g'
    )
{%- endmacro %}
