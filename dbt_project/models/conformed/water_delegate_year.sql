with report as (
    select * from {{ ref('stg_water_delegate__year') }}
),

commune as (
    select * from {{ ref('commune') }}
),

counted as (
    select
        *,
        produced_m3 + imported_m3 as supplied_m3,
        metered_domestic_m3 + metered_other_m3 + coalesce(unmetered_m3, 0) + coalesce(service_m3, 0) as authorised_m3
    from report
)

select
    counted.insee_code,
    coalesce(commune.commune_name, counted.commune_name) as commune_name,
    counted.year,
    counted.closing_date,
    counted.subscriber_count,
    counted.resident_count,
    counted.produced_m3,
    counted.imported_m3,
    counted.exported_m3,
    counted.metered_domestic_m3,
    counted.metered_other_m3,
    counted.unmetered_m3,
    counted.service_m3,
    counted.authorised_m3,
    counted.network_km,
    counted.renewed_km,
    counted.connection_count,
    counted.lead_connection_count,
    counted.main_repair_count,
    counted.service_repair_count,
    counted.complaint_count,
    counted.declared_efficiency_pct,
    -- P104.3: what is consumed by right or sold, of what is produced or bought.
    100 * (counted.authorised_m3 + counted.exported_m3) / nullif(counted.supplied_m3, 0) as efficiency_pct,
    counted.source_file,
    counted.source_sha256,
    counted.source_row
from counted
left join commune on counted.insee_code = commune.insee_code
