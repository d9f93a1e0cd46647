{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['lorawan_gateway_stats'], 'margin_days': 1}}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where source_id = 'lorawan_gateway_stats' and {{ at_stake('phenomenon_date', 'lorawan_gateway_day', 1) }}
),

stream as (
    select * from {{ ref('datastream') }}
    where source_id = 'lorawan_gateway_stats'
),

by_day as (
    select
        stream.thing_id,
        {{ business_date('observation.phenomenon_time') }} as business_date,
        count(distinct observation.phenomenon_time)::integer as message_count,
        any_value(stream.declared_step_min) * 60 as step_s,
        sum(observation.result) filter (where stream.property_code = 'received')::bigint as received_packet_count,
        sum(observation.result) filter (where stream.property_code = 'received_ok')::bigint as valid_packet_count,
        sum(observation.result) filter (where stream.property_code = 'emitted')::bigint as emitted_packet_count
    from observation
    inner join stream on observation.datastream_id = stream.datastream_id
    group by all
)

select
    thing_id,
    business_date,
    message_count,
    received_packet_count,
    valid_packet_count,
    emitted_packet_count,
    round(1 - valid_packet_count / nullif(received_packet_count, 0), 6) as packet_error_share,
    round(least(1, message_count * step_s / {{ day_seconds('business_date') }}), 6) as available_share
from by_day
where {{ at_stake('business_date', 'lorawan_gateway_day') }}
