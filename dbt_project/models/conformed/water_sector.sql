with border as (
    select * from {{ ref('stg_water_sectors__border') }}
),

commune as (
    select * from {{ ref('commune') }}
),

-- The table repeats the area's figures on each of its loggers' rows: the first row has the last word.
sector as (
    select
        sector_id,
        arg_min(sector_name, source_row) as name,
        arg_min(insee_code, source_row) as insee_code,
        arg_min(network_km, source_row) as network_km,
        arg_min(connection_count, source_row) as connection_count,
        arg_min(resident_count, source_row) as resident_count,
        arg_min(night_pressure_m, source_row) as night_pressure_m,
        count(*) as logger_count,
        min(source_file) as source_file,
        min(source_sha256) as source_sha256,
        min(source_row) as source_row
    from border
    group by sector_id
)

select
    sector.sector_id,
    sector.name,
    sector.insee_code,
    commune.commune_name,
    sector.network_km,
    sector.connection_count,
    sector.resident_count,
    sector.night_pressure_m,
    sector.logger_count,
    sector.source_file,
    sector.source_sha256,
    sector.source_row
from sector
left join commune on sector.insee_code = commune.insee_code
