-- What a server calls a decoded payload may be any text (ChirpStack v3 sends JSON inside JSON): only JSON goes further.
-- Megahertz come in single precision: rounded to the kilohertz, far below the spacing of channels.
with uplink as (
    select * from {{ source('bronze', 'lorawan_uplinks__uplink') }}
),

latest as (
    select * from uplink
    qualify {{ is_latest_revision(['event_date', 'dev_eui', 'f_cnt', 'received_time']) }}
)

select
    dev_eui,
    device_name,
    application_name,
    device_profile,
    received_time,
    f_cnt,
    f_port,
    frame_type,
    case when json_valid(object) then object end as decoded_object,
    spreading_factor,
    coalesce(frequency_hz, (round(frequency_mhz * 1000) * 1000)::bigint) as frequency_hz,
    len(gateways) as gateway_count,
    list_max(list_transform(gateways, lambda gateway: gateway['rssi_dbm'])) as best_rssi_dbm,
    list_max(list_transform(gateways, lambda gateway: gateway['snr_db'])) as best_snr_db,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
