with address_position as (
    select * from {{ ref('stg_addresses__position') }}
),

commune as (
    select * from {{ ref('commune') }}
),

identified as (
    select
        *,
        coalesce(
            ban_address_id,
            interop_key,
            -- places without numbers have no identifier of their own in version 1.5
            concat_ws(
                '_',
                insee_code,
                regexp_replace(strip_accents(lower(street_name)), '[^a-z0-9]+', '-', 'g'),
                printf('%05d', house_number),
                suffix
            )
        ) as address_id
    from address_position
),

-- where people go in says best where an address is
preferred as (
    select
        *,
        count(*) over (partition by address_id) as position_count
    from identified
    qualify
        row_number() over (
            partition by address_id
            order by
                longitude is null or latitude is null,
                case position_type
                    when 'entrance' then 1
                    when 'building' then 2
                    when 'staircase' then 3
                    when 'dwelling' then 4
                    when 'delivery_point' then 5
                    when 'parcel' then 6
                    when 'utility' then 7
                    when 'segment' then 8
                    else 9
                end,
                source_row desc
        ) = 1
)

select
    preferred.address_id,
    preferred.interop_key,
    preferred.insee_code,
    coalesce(commune.commune_name, preferred.commune_name) as commune_name,
    preferred.former_insee_code,
    preferred.street_name,
    preferred.place_name,
    case when preferred.house_number < 99999 then preferred.house_number end as house_number,
    preferred.suffix,
    preferred.house_number = 99999 as is_place_name,
    concat_ws(
        ' ',
        case when preferred.house_number < 99999 then preferred.house_number end,
        preferred.suffix,
        preferred.street_name
    ) as label,
    preferred.longitude,
    preferred.latitude,
    preferred.position_type,
    preferred.position_count,
    preferred.parcels,
    preferred.is_certified,
    preferred.updated_date,
    preferred.source_file,
    preferred.source_sha256,
    preferred.source_row
from preferred
left join commune on preferred.insee_code = commune.insee_code
