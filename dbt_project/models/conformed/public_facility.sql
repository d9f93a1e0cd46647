with facility as (
    select * from {{ ref('stg_public_facilities__facility') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    printf('%s-%s-%03d', facility.insee_code, facility.nomenclature_code, facility.order_number) as facility_id,
    facility.nomenclature_code,
    facility.order_number,
    facility.facility_type,
    facility.name,
    facility.house_number,
    facility.street_name,
    facility.post_code,
    facility.insee_code,
    commune.commune_name,
    round(facility.longitude, 6) as longitude,
    round(facility.latitude, 6) as latitude,
    facility.erp_number,
    facility.erp_type,
    facility.erp_category,
    facility.opening_hours,
    {{ international_phone('facility.phone', ' ') }} as phone,
    facility.email,
    facility.website,
    facility.owner_name,
    facility.owner_siret,
    {{ has_luhn_key('facility.owner_siret', 14) }} as is_owner_siret_valid,
    facility.updated_date,
    facility.source_file,
    facility.source_sha256,
    facility.source_row
from facility
left join commune on facility.insee_code = commune.insee_code
