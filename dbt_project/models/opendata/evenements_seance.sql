with event_timing as (
    select * from {{ ref('event_timing') }}
),

event as (
    select * from {{ ref('evenements_evenement') }}
)

select
    event.evenement_id,
    event_timing.timing_number::integer as numero,
    event_timing.start_time as debut,
    case when event_timing.end_time > event_timing.start_time then event_timing.end_time end as fin
from event_timing
inner join event on event_timing.event_id = event.evenement_id
