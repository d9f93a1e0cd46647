-- An arrival and the departure that follows it on the same space. What a sensor missed shows: an arrival after an
-- arrival, a departure after a departure. Nobody stays a day on such a space: that sensor is stuck.
with event as (
    select * from {{ ref('parking_event') }}
),

parking_regulation as (
    select * from {{ ref('parking_regulation') }}
),

public_holiday as (
    select * from {{ ref('public_holiday') }}
),

followed as (
    select
        *,
        lead(event_kind) over on_space as next_kind,
        lead(event_time) over on_space as next_time,
        lag(event_kind) over on_space as previous_kind
    from event
    window on_space as (partition by space_id order by event_time, received_time, event_id)
),

stay as (
    select
        *,
        case when event_kind = 'arrival' then event_time end as arrival_time,
        case
            when event_kind = 'departure' then event_time
            when next_kind = 'departure' then next_time
        end as departure_time,
        case
            when event_kind = 'departure' then 'arrival_missing'
            when next_kind = 'arrival' then 'departure_missing'
            when next_kind is null then 'open'
            when next_time > event_time + interval 1 day then 'stuck'
            else 'complete'
        end as outcome
    from followed
    where event_kind = 'arrival' or previous_kind is distinct from 'arrival'
),

spanned as (
    select
        event_id,
        arrival_time,
        departure_time,
        unnest(range(
            {{ business_date('arrival_time') }}::timestamp,
            {{ business_date('departure_time') }}::timestamp + interval 1 day,
            interval 1 day
        ))::date as business_date
    from stay
    where outcome = 'complete'
),

-- Hours of the regulation that each day of a stay has, as instants.
limited as (
    select
        spanned.event_id,
        greatest(
            spanned.arrival_time,
            timezone('{{ var("time_zone") }}', spanned.business_date + parking_regulation.start_local_time)
        ) as start_time,
        least(
            spanned.departure_time,
            timezone('{{ var("time_zone") }}', spanned.business_date + parking_regulation.end_local_time)
        ) as end_time
    from spanned
    inner join parking_regulation on isodow(spanned.business_date) = parking_regulation.iso_weekday
    left join public_holiday on spanned.business_date = public_holiday.holiday_date
    where public_holiday.holiday_date is null
),

counted as (
    select
        event_id,
        sum(epoch(end_time) - epoch(start_time)) / 60 as regulated_min
    from limited
    where end_time > start_time
    group by event_id
),

measured as (
    select
        stay.*,
        case when stay.outcome = 'complete' then coalesce(counted.regulated_min, 0) end as regulated_min
    from stay
    left join counted on stay.event_id = counted.event_id
)

select
    event_id as stay_id,
    thing_id,
    space_id,
    zone_id,
    {{ business_date('event_time') }} as business_date,
    arrival_time,
    departure_time,
    outcome,
    (epoch(departure_time) - epoch(arrival_time)) / 60 as duration_min,
    regulated_min,
    max_stay_min,
    regulated_min > max_stay_min as is_overstay,
    source_file,
    source_row
from measured
