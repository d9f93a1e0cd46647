with rack as (
    select * from {{ ref('stg_bike_parkings__rack') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

located as (
    {{ with_commune('rack') }}
)

select
    located.rack_id,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.longitude,
    located.latitude,
    located.capacity,
    located.cargo_capacity,
    located.fastening,
    located.furniture,
    located.access,
    located.is_free_of_charge,
    located.protection,
    located.is_covered,
    located.is_watched,
    located.is_lit,
    located.website_url,
    located.service_year,
    located.owner_name,
    located.operator_name,
    located.producer_name,
    located.updated_date,
    located.rack_comment,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
