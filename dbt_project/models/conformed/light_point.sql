with supplied as (
    select * from {{ ref('stg_lighting__light_point') }}
),

surveyed as (
    select * from {{ ref('stg_lighting__inventory') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

-- A light without number in the supplier's database is known by its place (7 decimals: a centimetre); several lanterns
-- of one mast are one point.
placed as (
    select
        *,
        coalesce(
            light_point_id, 'geo:' || round(longitude, 7)::varchar || ',' || round(latitude, 7)::varchar
        ) as point_id
    from surveyed
),

mapped as (
    select * from placed
    qualify row_number() over (partition by point_id order by source_row) = 1
),

-- The surveyor knows better where a light stands, its supplier what it is.
joined as (
    select
        coalesce(supplied.light_point_id, mapped.point_id) as light_point_id,
        supplied.cabinet_id,
        supplied.lamp_type,
        coalesce(supplied.luminaire, mapped.luminaire) as luminaire,
        supplied.power_w,
        supplied.colour_temperature_k,
        coalesce(supplied.height_m, mapped.height_m) as height_m,
        supplied.street,
        coalesce(supplied.insee_code, mapped.insee_code) as insee_code,
        coalesce(mapped.longitude, supplied.longitude) as longitude,
        coalesce(mapped.latitude, supplied.latitude) as latitude,
        supplied.installed_date,
        supplied.light_point_id is not null as is_in_supplier_database,
        mapped.point_id is not null as is_in_inventory,
        coalesce(supplied.source_file, mapped.source_file) as source_file,
        coalesce(supplied.source_sha256, mapped.source_sha256) as source_sha256,
        coalesce(supplied.source_row, mapped.source_row) as source_row
    from supplied
    full join mapped on supplied.light_point_id = mapped.point_id
),

located as (
    {{ with_commune('joined') }}
)

select
    located.light_point_id,
    located.cabinet_id,
    located.lamp_type,
    located.luminaire,
    located.power_w,
    located.colour_temperature_k,
    located.height_m,
    located.street,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.longitude,
    located.latitude,
    located.installed_date,
    located.is_in_supplier_database,
    located.is_in_inventory,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
