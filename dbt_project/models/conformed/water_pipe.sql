with pipe as (
    select * from {{ ref('stg_water_network__pipe') }}
),

commune as (
    select * from {{ ref('commune') }}
),

term as (
    select * from {{ ref('water_network_term') }}
),

-- A code that is missing or stands for two pipes is no identity: the layer's own number is.
identified as (
    select
        *,
        case
            when pipe_id is null or count(*) over (partition by pipe_id) > 1
                then concat_ws('_', coalesce(insee_code, 'AEP'), 'NUM', pipe_number)
            else pipe_id
        end as stable_id
    from pipe
),

vertex_list as (
    select
        pipe_number,
        regexp_extract_all(geometry_wkt, '-?[0-9.]+ -?[0-9.]+') as vertices
    from pipe
),

vertex as (
    select
        pipe_number,
        unnest(vertices) as vertex,
        generate_subscripts(vertices, 1) as rank
    from vertex_list
),

point as (
    select
        pipe_number,
        rank,
        split_part(vertex, ' ', 1)::double as longitude,
        radians(split_part(vertex, ' ', 2)::double) as latitude_rad
    from vertex
),

-- On the ellipsoid of WGS84, between neighbours: metres per radian of the meridian and of the parallel.
leg as (
    select
        pipe_number,
        6335439.327 / pow(1 - 0.00669438 * pow(sin(latitude_rad), 2), 1.5)
        * (latitude_rad - lag(latitude_rad) over along) as north_m,
        6378137.0 * cos(latitude_rad) / sqrt(1 - 0.00669438 * pow(sin(latitude_rad), 2))
        * radians(longitude - lag(longitude) over along) as east_m
    from point
    window along as (partition by pipe_number order by rank)
),

drawn as (
    select
        pipe_number,
        round(sum(sqrt(north_m * north_m + east_m * east_m)), 2) as drawn_length_m
    from leg
    group by pipe_number
)

select
    identified.stable_id as pipe_id,
    identified.pipe_number,
    identified.pipe_id as asset_code,
    coalesce(state.code, 'unknown') as service_state,
    identified.insee_code,
    commune.commune_name,
    identified.sector_id,
    coalesce(purpose.code, 'unknown') as purpose,
    identified.material as material_code,
    coalesce(material.code, 'unknown') as material,
    identified.diameter_mm,
    coalesce(identified.measured_length_m, drawn.drawn_length_m) as length_m,
    drawn.drawn_length_m,
    identified.measured_length_m is not null as is_length_measured,
    identified.laid_year_min,
    identified.laid_year_max,
    coalesce(identified.laid_year_max, identified.laid_year_min) as laid_year,
    identified.accuracy_class,
    identified.owner_id,
    identified.operator_id,
    identified.start_node_id,
    identified.end_node_id,
    identified.geometry_wkt,
    identified.updated_date,
    identified.source_file,
    identified.source_sha256,
    identified.source_row
from identified
left join drawn on identified.pipe_number = drawn.pipe_number
left join commune on identified.insee_code = commune.insee_code
left join term as state on state.attribute = 'service_state' and identified.service_state = state.term
left join term as purpose on purpose.attribute = 'purpose' and identified.purpose = purpose.term
left join term as material on material.attribute = 'material' and identified.material = material.term
