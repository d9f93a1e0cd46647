with facility as (
    select * from {{ ref('stg_public_facilities__facility') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

-- a facility keeps the number it was given, whatever the contours say later
numbered as (
    select
        *,
        printf('%s-%s-%03d', insee_code, nomenclature_code, order_number) as facility_id
    from facility
),

located as (
    {{ with_commune('numbered') }}
)

select
    located.facility_id,
    located.nomenclature_code,
    located.order_number,
    located.facility_type,
    located.name,
    located.house_number,
    located.street_name,
    located.post_code,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    round(located.longitude, 6) as longitude,
    round(located.latitude, 6) as latitude,
    located.erp_number,
    located.erp_type,
    located.erp_category,
    located.opening_hours,
    {{ international_phone('located.phone', ' ') }} as phone,
    located.email,
    located.website,
    located.owner_name,
    located.owner_siret,
    {{ has_luhn_key('located.owner_siret', 14) }} as is_owner_siret_valid,
    located.updated_date,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
