{{ config(materialized='view', schema='staging') }}

-- What holds today. A statement about observations must say from when to when; of two that overlap on one column of a
-- series the last stated holds, whole.
with correction as (
    select * from {{ ref('stg_corrections__correction') }}
),

standing as (
    select * from correction
    where
        (until_date is null or until_date >= {{ build_date() }})
        and (
            target_table <> 'observation'
            or (
                start_time < end_time
                and case
                    when target_column = 'result' then to_value is null or try_cast(to_value as double) is not null
                    else to_value in ('good', 'suspect', 'bad', 'missing')
                end
            )
        )
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
    stated_date
from standing
where
    target_table <> 'observation'
    or not exists (
        select 1
        from standing as later
        where
            later.target_table = 'observation'
            and later.target_key = standing.target_key
            and later.target_column = standing.target_column
            and later.start_time < standing.end_time
            and standing.start_time < later.end_time
            and (later.stated_date, later.correction_id) > (standing.stated_date, standing.correction_id)
    )
