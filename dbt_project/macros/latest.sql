{# Revisions: bronze keeps every version of a row, staging shows one.
   Belongs here: which version wins. Does not: which columns are shown. #}

{# Predicate for `qualify`: the last version of each key, by the time of its file, then file name, then delivery (a file
   may come again under its name), then row. The key must include the partition column of the bronze table, so that a
   filter on days reaches the files. #}
{% macro is_latest_revision(key) -%}
    row_number() over (
        partition by {{ key | join(', ') }}
        order by source_time desc, source_file desc, delivered_time desc, source_row desc
    ) = 1
{%- endmacro %}

{# Predicate for `where`: rows of the newest snapshot of a source that delivers its whole content each time. #}
{% macro is_latest_snapshot(relation) -%}
    (source_file, source_sha256) = (
        select arg_max((source_file, source_sha256), (source_time, source_file, delivered_time)) from {{ relation }}
    )
{%- endmacro %}
