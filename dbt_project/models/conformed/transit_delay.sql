-- The last word of the live feed on each stop of each trip that ran. A cancelled trip has one row, without a stop.
{{ config(
    delta_strategy='replace_by_day',
    day_column='service_date',
    meta={'stake': {'sources': ['transit_realtime'], 'margin_days': 1}}
) }}

-- A service day runs past midnight and UTC is behind it: its messages are of the day before to the day after.
with trip_update as (
    select
        *,
        coalesce(start_date, {{ business_date('feed_time') }}) as service_date
    from {{ ref('stg_transit_realtime__trip_update') }}
    where {{ at_stake('event_date', 'transit_delay', 1) }}
),

at_stop as (
    select
        *,
        unnest(case when coalesce(len(stop_updates), 0) = 0 then [null] else stop_updates end) as stop_update
    from trip_update
),

told as (
    select
        service_date,
        coalesce(trip_id, entity_id) as trip_id,
        route_id,
        direction_id,
        vehicle_id,
        stop_update['stop_sequence']::integer as stop_sequence,
        stop_update['stop_id'] as stop_id,
        coalesce(stop_update['arrival_delay_s'], trip_delay_s)::integer as arrival_delay_s,
        coalesce(stop_update['departure_delay_s'], trip_delay_s)::integer as departure_delay_s,
        to_timestamp(stop_update['arrival_epoch_s']) as arrival_time,
        to_timestamp(stop_update['departure_epoch_s']) as departure_time,
        lower(coalesce(trip_relationship, 'SCHEDULED')) as trip_status,
        case when stop_update is not null then lower(coalesce(stop_update['stop_relationship'], 'SCHEDULED')) end
            as stop_status,
        feed_time as told_time,
        source_file,
        source_sha256,
        source_row
    from at_stop
),

last_told as (
    select * from told
    qualify row_number() over (
        partition by service_date, trip_id, stop_sequence, stop_id
        order by told_time desc, source_file desc, source_row desc
    ) = 1
)

select
    service_date,
    trip_id,
    route_id,
    direction_id,
    vehicle_id,
    stop_sequence,
    stop_id,
    arrival_delay_s,
    departure_delay_s,
    arrival_time,
    departure_time,
    trip_status,
    stop_status,
    told_time,
    source_file,
    source_sha256,
    source_row
from last_told
where {{ at_stake('service_date', 'transit_delay') }}
