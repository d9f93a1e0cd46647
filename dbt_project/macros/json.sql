{# JSON objects whose keys are not known beforehand.
   Belongs here: reading such objects. Does not: what a key means. #}

{# A member of an object by its key, whatever is in the key (a JSON pointer). #}
{% macro json_member(object, key) -%}
    json_extract({{ object }}, '/' || replace(replace({{ key }}, '~', '~0'), '/', '~1'))
{%- endmacro %}
