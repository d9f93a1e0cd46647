-- Frames as they were first received, and how many the counter lets expect since the one before. A copy comes within
-- the hour of the one before it (a confirmed frame whose answer was lost, a hotspot that sells it again). After 24
-- hours of silence a device may have been off: what it did not send then is not lost.
{{ config(
    delta_strategy='replace_by_day',
    day_column='received_date',
    partition_by=['received_date'],
    meta={'stake': {'sources': ['lorawan_uplinks'], 'margin_days': 1}}
) }}

with uplink as (
    select * from {{ ref('stg_lorawan_uplinks__uplink') }}
    where {{ at_stake('event_date', 'lorawan_frame', 1) }}
),

compared as (
    select
        *,
        lag(received_time) over (
            partition by dev_eui, f_cnt
            order by received_time, source_file, source_row
        ) as copied_time
    from uplink
),

frame as (
    select * from compared
    where copied_time is null or received_time - copied_time > interval 1 hour
),

ordered as (
    select
        *,
        f_cnt - lag(f_cnt) over in_time as step,
        received_time - lag(received_time) over in_time as silence
    from frame
    window in_time as (partition by dev_eui order by received_time, f_cnt, source_file, source_row)
)

select
    'lorawan_uplinks:' || dev_eui as thing_id,
    received_time,
    f_cnt,
    case
        when silence is null or silence > interval 24 hour then 1
        when step > 0 then step
        when step < -32768 then step + 65536
        else 1
    end as expected_count,
    coalesce(silence <= interval 24 hour and step between -32768 and 0, false) as is_new_session,
    spreading_factor,
    gateway_count,
    best_rssi_dbm,
    best_snr_db,
    case when spreading_factor between 7 and 12 then best_snr_db + 7.5 + 2.5 * (spreading_factor - 7) end as margin_db,
    timezone('UTC', received_time)::date as received_date,
    source_file,
    source_sha256,
    source_row
from ordered
where {{ at_stake('event_date', 'lorawan_frame') }}
