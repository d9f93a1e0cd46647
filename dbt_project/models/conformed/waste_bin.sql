with measurement as (
    select * from {{ ref('stg_waste_bins__measurement') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
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
),

located as (
    {{ with_commune('latest') }}
)

select
    located.bin_id,
    'waste_bins:' || located.bin_id as thing_id,
    located.bin_name,
    located.waste_stream,
    located.capacity_l,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.longitude,
    located.latitude,
    located.first_measure_time,
    located.last_measure_time,
    located.last_fill_level_pct,
    located.source_file
from located
left join commune on located.insee_code = commune.insee_code
