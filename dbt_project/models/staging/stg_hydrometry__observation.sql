with observation as (
    select * from {{ source('bronze', 'hydrometry__observation') }}
),

latest as (
    select * from observation
    qualify {{ is_latest_revision(['event_date', 'station_id', 'quantity', 'observed_time']) }}
)

select
    station_id,
    site_id,
    quantity,
    observed_time,
    value,
    series_start_time,
    series_end_time,
    status_code,
    datum_code,
    method_code,
    method_label,
    qualification_code,
    qualification_label,
    is_continuous,
    longitude,
    latitude,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
