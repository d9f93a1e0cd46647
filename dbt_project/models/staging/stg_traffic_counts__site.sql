with site as (
    select * from {{ source('bronze', 'traffic_counts__site') }}
),

latest as (
    select * from site
    where {{ is_latest_snapshot(source('bronze', 'traffic_counts__site')) }}
    qualify {{ is_latest_revision(['site_id']) }}
)

select
    site_id,
    parent_site_id,
    site_name,
    insee_code,
    longitude,
    latitude,
    external_ids,
    infrastructure_type,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
