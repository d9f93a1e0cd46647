-- The step of a load curve is read from its stamps: the header is blank (C4), or wrong after a change of step.
-- C4 (blank unit) stamps the start of a step, C5 its end.
with load_curve as (
    select * from {{ ref('stg_building_energy__load') }}
    where {{ at_stake('event_date', 'observation', 2) }}
),

neighbour as (
    select
        *,
        nullif(trim(declared_unit), '') is not null as is_stamped_at_end,
        epoch(stamp_time) - epoch(lag(stamp_time) over by_meter) as since_previous_s,
        epoch(lead(stamp_time) over by_meter) - epoch(stamp_time) as to_next_s
    from load_curve
    window by_meter as (partition by prm order by stamp_time)
),

-- Room that a step has before it meets the neighbouring stamp.
bounded as (
    select
        *,
        case when is_stamped_at_end then since_previous_s else to_next_s end as room_s
    from neighbour
),

accepted as (
    select
        *,
        case when room_s in (300, 600, 900, 1800, 3600) then room_s end as accepted_s
    from bounded
),

-- After a hole: the last accepted step of the day before, else the first one of the day after. A window in time, not in
-- rows, so that a build of one day and a build of everything agree.
nearest as (
    select
        *,
        coalesce(
            accepted_s,
            last_value(accepted_s ignore nulls) over (
                partition by prm order by stamp_time range between interval 1 day preceding and current row
            ),
            first_value(accepted_s ignore nulls) over (
                partition by prm order by stamp_time range between current row and interval 1 day following
            )
        ) as nearest_s
    from accepted
),

resolved as (
    select
        *,
        case when room_s < nearest_s then room_s else nearest_s end as step_s
    from nearest
),

timed as (
    select
        *,
        case
            when is_stamped_at_end then stamp_time - to_seconds(coalesce(step_s, 0)) else stamp_time
        end as start_time,
        case when is_stamped_at_end then stamp_time else stamp_time + to_seconds(step_s) end as end_time,
        case when direction = 'Production' then 'active_power_injected' else 'active_power' end as property
    from resolved
    where coalesce(quantity, 'Energie active') = 'Energie active'
)

select
    'building_energy' as source_id,
    'building_energy:' || prm || ':' || property as datastream_id,
    start_time as phenomenon_time,
    case when step_s is not null then end_time end as phenomenon_end_time,
    power_w as result,
    case
        when power_w is null then 'missing'
        when step_s is null or is_doubtful then 'suspect'
        else 'good'
    end as quality,
    source_file,
    source_sha256,
    source_row
from timed
