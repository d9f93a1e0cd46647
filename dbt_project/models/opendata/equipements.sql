-- Streets lose what the standard's pattern does not know: full stops, curly apostrophes, joined letters.
with facility as (
    select
        *,
        trim(regexp_replace(
            replace(replace(replace(street_name, chr(8217), chr(39)), 'œ', 'oe'), 'Œ', 'Oe'),
            '[^a-zA-Z0-9\-\x27\sÀ-ÿ]',
            '',
            'g'
        )) as plain_street_name
    from {{ ref('public_facility') }}
    where is_owner_siret_valid
),

commune as (
    select * from {{ ref('commune') }}
)

select
    facility.owner_name as COLL_NOM,  -- noqa: CP02
    facility.owner_siret as COLL_SIRET,  -- noqa: CP02
    facility.facility_id as EQUIP_UID,  -- noqa: CP02
    case left(facility.nomenclature_code, 2)
        when '01' then 'Equipement administratif'
        when '02' then 'Equipement de justice'
        when '03' then 'Equipement sanitaire'
        when '04' then 'Equipement social et d''animation'
        when '05' then 'Equipement sportif et de loisirs'
        when '06' then 'Equipement d''enseignement'
        when '07' then 'Equipement cultuel'
        when '08' then 'Equipement culturel'
        when '09' then 'Equipement de mobilité'
        else 'Autre équipement'
    end as EQUIP_THEME,  -- noqa: CP02
    printf('%s-%03d', facility.nomenclature_code, facility.order_number) as EQUIP_CODE,  -- noqa: CP02
    replace(facility.facility_type, ',', '') as EQUIP_TYPE,  -- noqa: CP02
    facility.name as EQUIP_NOM,  -- noqa: CP02
    coalesce(facility.house_number, '99999') as ADR_NUMERO,  -- noqa: CP02
    facility.plain_street_name as ADR_NOMVOIE,  -- noqa: CP02
    facility.post_code as ADR_CODEPOSTAL,  -- noqa: CP02
    commune.commune_name as ADR_COMMUNE,  -- noqa: CP02
    null::varchar as ADR_CLE_INTEROP,  -- noqa: CP02
    facility.erp_number as ERP_ID,  -- noqa: CP02
    facility.erp_type as ERP_TYPE,  -- noqa: CP02,AL09
    facility.erp_category::integer as ERP_CATEGORIE,  -- noqa: CP02
    facility.latitude as EQUIP_LAT,  -- noqa: CP02
    facility.longitude as EQUIP_LONG,  -- noqa: CP02
    facility.opening_hours as EQUIP_OUVERTURE,  -- noqa: CP02
    facility.phone as EQUIP_TEL,  -- noqa: CP02
    facility.email as EQUIP_EMAIL,  -- noqa: CP02
    facility.website as EQUIP_WEB  -- noqa: CP02
from facility
inner join commune on facility.insee_code = commune.insee_code
