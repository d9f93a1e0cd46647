-- Every correction and how it ended. The tables that it changes say which of them are in effect on their rows.
with correction as (
    select * from {{ ref('stg_corrections__correction') }}
),

datastream as (
    select * from {{ ref('datastream') }}
),

-- the days that somebody states something about, and no others
observation as (
    select distinct correction_ids from {{ ref('observation') }}
    where correction_ids is not null and {{ corrected_days('phenomenon_date') }}
),

target as (
    {{ correction_targets() }}
),

effective as (
    select distinct unnest(string_split(correction_ids, ';')) as correction_id
    from (
        select correction_ids from target
        union all
        select correction_ids from observation
    ) as told
),

known as (
    select distinct
        target_table,
        target_key
    from target
    union
    select
        'observation' as target_table,
        datastream_id as target_key
    from datastream
),

typed as (
    {{ correctable_columns() }}
),

judged as (
    select
        correction.*,
        case
            when typed.is_typed is null or known.target_key is null then 'unknown_target'
            when not typed.is_typed then 'refused'
            when correction.until_date < {{ build_date() }} then 'lapsed'
            when effective.correction_id is not null then 'applied'
            else 'no_longer_matches'
        end as status
    from correction
    left join known on correction.target_table = known.target_table and correction.target_key = known.target_key
    left join typed on correction.correction_id = typed.correction_id
    left join effective on correction.correction_id = effective.correction_id
)

select
    correction_id,
    target_table,
    target_key,
    target_column,
    from_value,
    to_value,
    start_time,
    end_time,
    stated_by,
    reason,
    stated_date,
    until_date,
    status,
    source_file,
    source_sha256,
    source_row
from judged
