with site as (
    select * from {{ ref('stg_traffic_counts__site') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    site.site_id,
    site.parent_site_id,
    site.site_name,
    site.insee_code,
    commune.commune_name,
    site.longitude,
    site.latitude,
    site.infrastructure_type,
    site.source_file,
    site.source_sha256,
    site.source_row
from site
left join commune on site.insee_code = commune.insee_code
