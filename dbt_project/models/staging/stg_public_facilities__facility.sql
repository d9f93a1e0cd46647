with facility as (
    select * from {{ source('bronze', 'public_facilities__facility') }}
),

latest as (
    select * from facility
    where {{ is_latest_snapshot(source('bronze', 'public_facilities__facility')) }}
    qualify {{ is_latest_revision(['insee_code', 'nomenclature_code', 'order_number']) }}
)

select
    insee_code,
    lpad(nomenclature_code, 8, '0') as nomenclature_code,
    order_number,
    owner_name,
    owner_siret,
    facility_type,
    name,
    house_number,
    street_name,
    post_code,
    erp_number,
    erp_type,
    erp_category,
    latitude,
    longitude,
    opening_hours,
    phone,
    email,
    website,
    updated_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
