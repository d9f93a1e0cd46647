-- From a log of switchings to intervals of light. The log may tell a switching twice, and may lose one.
with switching as (
    select * from {{ ref('stg_lighting__switching') }}
),

before as (
    select
        *,
        lag(state) over by_cabinet as previous_state,
        lag(switched_time) over by_cabinet as previous_time
    from switching
    window by_cabinet as (partition by cabinet_id order by switched_time, received_time, switching_id)
),

-- The same state told again within a minute is one switching: the cabinet repeats what was not acknowledged.
told_once as (
    select * from before
    where not (
        previous_state is not null
        and previous_state = state
        and switched_time - previous_time <= interval 1 minute
    )
),

neighbour as (
    select
        *,
        lag(state) over by_cabinet as state_before,
        lead(state) over by_cabinet as next_state,
        lead(switched_time) over by_cabinet as next_time,
        lead(cause) over by_cabinet as next_cause
    from told_once
    window by_cabinet as (partition by cabinet_id order by switched_time, received_time, switching_id)
),

lit as (
    select
        *,
        switched_time as on_time,
        case when next_state = 'off' then next_time end as off_time,
        cause as on_cause,
        case when next_state = 'off' then next_cause end as off_cause,
        case when next_state = 'off' then 'complete' when next_state = 'on' then 'off_lost' else 'open' end as status
    from neighbour
    where state = 'on'
),

-- An `off` that no `on` goes before: light of which the beginning is not known.
ended as (
    select
        *,
        null::timestamptz as on_time,
        switched_time as off_time,
        null::varchar as on_cause,
        cause as off_cause,
        'on_lost' as status
    from neighbour
    where state = 'off' and coalesce(state_before, 'off') = 'off'
),

interval_of_light as (
    select * from lit
    union all by name
    select * from ended
)

select
    switching_id,
    cabinet_id,
    on_time,
    off_time,
    on_cause,
    off_cause,
    status,
    round(epoch(off_time - on_time) / 3600, 6) as burning_h,
    {{ business_date('switched_time') }} as start_date,
    source_file,
    source_sha256,
    source_row
from interval_of_light
