-- Schedule exports that came whole. One that lacks a required file is left out: the export before it stays in force.
with stop as (
    select distinct feed_id from {{ ref('stg_transit_gtfs__stop') }}
),

route as (
    select distinct feed_id from {{ ref('stg_transit_gtfs__route') }}
),

trip as (
    select
        feed_id,
        max(source_time) as published_time,
        count(*) as trip_count
    from {{ ref('stg_transit_gtfs__trip') }}
    group by feed_id
),

stop_time as (
    select distinct feed_id from {{ ref('stg_transit_gtfs__stop_time') }}
),

running_day as (
    select
        feed_id,
        start_date as first_date,
        end_date as last_date
    from {{ ref('stg_transit_gtfs__calendar') }}
    union all by name
    select
        feed_id,
        exception_date as first_date,
        exception_date as last_date
    from {{ ref('stg_transit_gtfs__calendar_date') }}
    where exception_type = 1
),

span as (
    select
        feed_id,
        min(first_date) as first_date,
        max(last_date) as last_date
    from running_day
    group by feed_id
),

feed_info as (
    select * from {{ ref('stg_transit_gtfs__feed_info') }}
    qualify row_number() over (partition by feed_id order by source_row) = 1
)

select
    trip.feed_id,
    trip.published_time,
    coalesce(feed_info.feed_start_date, span.first_date) as first_date,
    coalesce(feed_info.feed_end_date, span.last_date) as last_date,
    feed_info.feed_version,
    feed_info.publisher_name,
    feed_info.publisher_url,
    feed_info.lang,
    trip.trip_count,
    row_number() over (order by trip.published_time desc, trip.feed_id desc) = 1 as is_last
from trip
inner join stop on trip.feed_id = stop.feed_id
inner join route on trip.feed_id = route.feed_id
inner join stop_time on trip.feed_id = stop_time.feed_id
inner join span on trip.feed_id = span.feed_id
left join feed_info on trip.feed_id = feed_info.feed_id
