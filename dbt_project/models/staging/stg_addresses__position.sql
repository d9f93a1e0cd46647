with address as (
    select * from {{ source('bronze', 'addresses__position') }}
),

-- each file is all addresses of its commune
newest_list as (
    select * from address
    qualify
        dense_rank() over (
            partition by file_insee_code
            order by source_time desc, source_file desc, delivered_time desc, source_sha256 desc
        ) = 1
)

select
    uid,
    interop_key,
    -- versions 1.2 and 1.3 have the three in one cell
    coalesce(ban_commune_id, nullif(regexp_extract(uid, '@c:([0-9a-f-]{36})', 1), '')) as ban_commune_id,
    coalesce(ban_street_id, nullif(regexp_extract(uid, '@[vt]:([0-9a-f-]{36})', 1), '')) as ban_street_id,
    coalesce(ban_address_id, nullif(regexp_extract(uid, '@a:([0-9a-f-]{36})', 1), '')) as ban_address_id,
    insee_code,
    commune_name,
    former_insee_code,
    former_commune_name,
    street_name,
    place_name,
    house_number,
    lower(suffix) as suffix,
    position_type,
    x_m,
    y_m,
    longitude,
    latitude,
    parcels,
    producer_name,
    updated_date,
    is_certified,
    source_file,
    source_sha256,
    source_time,
    source_row
from newest_list
