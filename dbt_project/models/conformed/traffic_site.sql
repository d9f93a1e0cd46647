with site as (
    select * from {{ ref('stg_traffic_counts__site') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

located as (
    {{ with_commune('site') }}
)

select
    located.site_id,
    located.parent_site_id,
    located.site_name,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.longitude,
    located.latitude,
    located.infrastructure_type,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
