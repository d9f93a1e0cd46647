{# Numbers and addresses as national registers write them.
   Belongs here: keys of SIREN and SIRET, telephone numbers. Does not: whose they are. #}

{# Whether a text is so many digits that obey Luhn's rule: every second one from the right counts double, and its own
   digits are added. Null when the text is. La Poste's offices have another key, and none runs anything here. #}
{% macro has_luhn_key(number, length) -%}
    case
        when regexp_full_match({{ number }}, '\d{% raw %}{{% endraw %}{{ length }}{% raw %}}{% endraw %}')
            then list_sum([
                weight // 10 + weight % 10
                for weight in [
                    substr({{ number }}, {{ length }} - place, 1)::integer * (1 + place % 2)
                    for place in range({{ length }})
                ]
            ]) % 10 = 0
        when {{ number }} is not null then false
    end
{%- endmacro %}

{# A French telephone number (`03 53 01 00 12`, `0033...`, `+33 (0)3...`) in the international form, `separator` after
   the country's code. Null when it is not one. #}
{% macro international_phone(number, separator='') -%}
    '+33{{ separator }}' || nullif(
        regexp_extract(
            regexp_replace({{ number }}, '[\s.()\-]', '', 'g'),
            '^(?:(?:\+|00)33)?0?([1-9]\d{% raw %}{8}{% endraw %})$',
            1
        ),
        ''
    )
{%- endmacro %}
