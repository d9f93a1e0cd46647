with lorawan_network_day as (
    select * from {{ ref('lorawan_network_day') }}
)

select
    business_date as date,
    device_count as nombre_capteurs,
    frame_count::integer as trames_recues,
    expected_frame_count::integer as trames_attendues,
    round(lost_share, 4) as part_perdue,
    round(single_gateway_share, 4) as part_une_passerelle,
    round(rssi_median_dbm, 1) as puissance_mediane_dbm,
    round(snr_median_db, 1) as signal_bruit_median_db,
    round(margin_median_db, 1) as marge_mediane_db,
    join_count as sessions_ouvertes,
    joining_device_count as capteurs_entres
from lorawan_network_day
