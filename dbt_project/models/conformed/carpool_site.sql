with site as (
    select * from {{ ref('stg_carpool_sites__site') }}
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
    located.local_id,
    located.name,
    located.address,
    coalesce(commune.commune_name, located.commune_name) as commune_name,
    located.insee_code,
    located.insee_code_quality,
    commune.insee_code is not null as is_in_territory,
    located.site_type,
    located.updated_date,
    located.is_open,
    located.producer_siren,
    located.longitude,
    located.latitude,
    located.space_count,
    located.accessible_space_count,
    located.max_stay_min,
    located.opening_hours,
    located.owner_name,
    located.is_lit,
    located.site_comment,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
