{{ config(
    delta_strategy='replace_by_day',
    day_column='business_date',
    meta={'stake': {'sources': ['lorawan_joins', 'lorawan_uplinks'], 'margin_days': 1}}
) }}

with frame as (
    select * from {{ ref('lorawan_frame') }}
    where {{ at_stake('received_date', 'lorawan_network_day', 1) }}
),

joined as (
    select
        *,
        {{ business_date('joined_time') }} as business_date
    from {{ ref('lorawan_join') }}
),

frame_day as (
    select
        {{ business_date('received_time') }} as business_date,
        count(distinct thing_id)::integer as device_count,
        count(*) as frame_count,
        sum(expected_count)::bigint as expected_frame_count,
        avg((gateway_count = 1)::integer) filter (where gateway_count >= 1) as single_gateway_share,
        median(best_rssi_dbm) as rssi_median_dbm,
        median(best_snr_db) as snr_median_db,
        median(margin_db) as margin_median_db
    from frame
    group by all
),

join_day as (
    select
        business_date,
        count(*)::integer as join_count,
        count(distinct thing_id)::integer as joining_device_count
    from joined
    where {{ at_stake('business_date', 'lorawan_network_day') }}
    group by business_date
)

select
    frame_day.business_date,
    frame_day.device_count,
    frame_day.frame_count,
    frame_day.expected_frame_count,
    round(1 - frame_day.frame_count / frame_day.expected_frame_count, 6) as lost_share,
    round(frame_day.single_gateway_share, 6) as single_gateway_share,
    frame_day.rssi_median_dbm,
    frame_day.snr_median_db,
    frame_day.margin_median_db,
    coalesce(join_day.join_count, 0) as join_count,
    coalesce(join_day.joining_device_count, 0) as joining_device_count
from frame_day
left join join_day on frame_day.business_date = join_day.business_date
where {{ at_stake('frame_day.business_date', 'lorawan_network_day') }}
