with site as (
    select * from {{ ref('stg_carpool_sites__site') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    site.site_id,
    site.local_id,
    site.name,
    site.address,
    coalesce(commune.commune_name, site.commune_name) as commune_name,
    site.insee_code,
    commune.insee_code is not null as is_in_territory,
    site.site_type,
    site.updated_date,
    site.is_open,
    site.producer_siren,
    site.longitude,
    site.latitude,
    site.space_count,
    site.accessible_space_count,
    site.max_stay_min,
    site.opening_hours,
    site.owner_name,
    site.is_lit,
    site.site_comment,
    site.source_file,
    site.source_sha256,
    site.source_row
from site
left join commune on site.insee_code = commune.insee_code
