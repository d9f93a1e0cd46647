with event as (
    select * from {{ ref('stg_traffic_signals__event') }}
),

-- What a controller says of one kind (and one line of lights), in the order of its clock.
followed as (
    select
        *,
        lead(transition) over of_one_kind as next_transition,
        lead(event_time) over of_one_kind as next_time,
        lag(transition) over of_one_kind as previous_transition
    from event
    window of_one_kind as (partition by controller_id, event_kind, signal_group order by event_time, event_id)
),

matched as (
    select
        *,
        case when transition = 'begin' and next_transition = 'end' then next_time end as end_time,
        case
            when transition = 'begin' then coalesce(next_transition = 'end', false)
            when transition = 'end' then coalesce(previous_transition = 'begin', false)
        end as is_matched
    from followed
)

select
    event_id,
    'traffic_signals:' || controller_id as thing_id,
    controller_id,
    event_kind,
    transition,
    event_time,
    end_time,
    (epoch(end_time) - epoch(event_time)) / 60 as duration_min,
    is_matched,
    plan_number,
    signal_group,
    received_time,
    detail,
    source_file,
    source_row
from matched
