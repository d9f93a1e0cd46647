with event as (
    select * from {{ ref('stg_events__event') }}
),

-- the version that `event` shows
standing as (
    select * from event
    where not is_removed
    qualify row_number() over (partition by event_id order by updated_time desc, agenda_id desc) = 1
),

timing as (
    select
        event_id,
        source_file,
        source_sha256,
        source_row,
        unnest(from_json(timings, '[{"begin": "TIMESTAMPTZ", "end": "TIMESTAMPTZ"}]')) as span
    from standing
    where json_valid(timings)
)

select
    event_id,
    row_number() over (partition by event_id order by span['begin'], span['end']) as timing_number,
    span['begin'] as start_time,
    span['end'] as end_time,
    source_file,
    source_sha256,
    source_row
from timing
