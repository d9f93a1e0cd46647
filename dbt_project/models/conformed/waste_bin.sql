with measurement as (
    select * from {{ ref('stg_waste_bins__measurement') }}
),

commune as (
    select * from {{ ref('commune') }}
),

latest as (
    select
        bin_id,
        arg_max(bin_name, measure_time) as bin_name,
        arg_max(waste_stream, measure_time) as waste_stream,
        arg_max(capacity_l, measure_time) as capacity_l,
        arg_max(insee_code, measure_time) as insee_code,
        arg_max(longitude, measure_time) as longitude,
        arg_max(latitude, measure_time) as latitude,
        min(measure_time) as first_measure_time,
        max(measure_time) as last_measure_time,
        arg_max(fill_level_pct, measure_time) filter (where status = 'ok') as last_fill_level_pct,
        arg_max(source_file, measure_time) as source_file
    from measurement
    group by bin_id
)

select
    latest.bin_id,
    'waste_bins:' || latest.bin_id as thing_id,
    latest.bin_name,
    latest.waste_stream,
    latest.capacity_l,
    latest.insee_code,
    commune.commune_name,
    latest.longitude,
    latest.latitude,
    latest.first_measure_time,
    latest.last_measure_time,
    latest.last_fill_level_pct,
    latest.source_file
from latest
left join commune on latest.insee_code = commune.insee_code
