with report as (
    select * from {{ source('bronze', 'water_delegate__year') }}
),

latest as (
    select * from report
    qualify {{ is_latest_revision(['event_date', 'insee_code', 'closing_date']) }}
)

select
    insee_code,
    commune_name,
    year,
    closing_date,
    subscriber_count,
    resident_count,
    produced_m3,
    imported_m3,
    exported_m3,
    metered_domestic_m3,
    metered_other_m3,
    unmetered_m3,
    service_m3,
    network_km,
    renewed_km,
    connection_count,
    lead_connection_count,
    main_repair_count,
    service_repair_count,
    complaint_count,
    declared_efficiency_pct,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
