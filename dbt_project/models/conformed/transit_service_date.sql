-- Which services run on which date: the weekly calendar, without the days taken away, with those added. Exports
-- overlap: on each date the last published one that is in force counts, even when it says that nothing runs.
with feed as (
    select * from {{ ref('transit_feed') }}
),

calendar as (
    select * from {{ ref('stg_transit_gtfs__calendar') }}
),

calendar_date as (
    select * from {{ ref('stg_transit_gtfs__calendar_date') }}
),

feed_day as (
    select
        feed_id,
        published_time,
        unnest(generate_series(first_date, last_date, interval 1 day))::date as service_date
    from feed
),

in_force as (
    select
        service_date,
        arg_max(feed_id, (published_time, feed_id)) as feed_id
    from feed_day
    group by service_date
),

calendar_day as (
    select
        *,
        unnest(generate_series(start_date, end_date, interval 1 day))::date as service_date
    from calendar
),

usual as (
    select
        feed_id,
        service_id,
        service_date
    from calendar_day
    where
        [on_monday, on_tuesday, on_wednesday, on_thursday, on_friday, on_saturday, on_sunday][isodow(service_date)]
),

changed as (
    select
        feed_id,
        service_id,
        exception_date as service_date,
        exception_type
    from calendar_date
),

kept as (
    select
        feed_id,
        service_id,
        service_date
    from usual
    except
    select
        feed_id,
        service_id,
        service_date
    from changed
    where exception_type = 2
),

running as (
    select
        feed_id,
        service_id,
        service_date
    from kept
    union distinct
    select
        feed_id,
        service_id,
        service_date
    from changed
    where exception_type = 1
)

select
    running.service_date,
    running.service_id,
    running.feed_id
from running
inner join in_force on running.feed_id = in_force.feed_id and running.service_date = in_force.service_date
