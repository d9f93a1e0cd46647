with site as (
    select * from {{ source('bronze', 'carpool_sites__site') }}
),

latest as (
    select * from site
    where {{ is_latest_snapshot(source('bronze', 'carpool_sites__site')) }}
    qualify {{ is_latest_revision(['site_id']) }}
)

select
    site_id,
    nullif(trim(local_id), '') as local_id,
    name,
    address,
    commune_name,
    insee_code,
    site_type,
    updated_date,
    is_open,
    producer_siren,
    longitude,
    latitude,
    space_count,
    accessible_space_count,
    max_stay_min,
    opening_hours,
    owner_name,
    is_lit,
    comment as site_comment,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
