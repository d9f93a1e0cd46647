with address_position as (
    select * from {{ ref('stg_addresses__position') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
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
),

located as (
    {{ with_commune('preferred') }}
),

-- the legal projection of mainland France, worked out once and the same way whatever the commune's editor wrote
projected as (
    select
        *,
        st_transform(st_point(longitude, latitude), 'EPSG:4326', 'EPSG:2154', always_xy := true) as place
    from located
)

select
    projected.address_id,
    projected.interop_key,
    projected.ban_commune_id,
    projected.ban_street_id,
    projected.ban_address_id,
    projected.insee_code,
    projected.insee_code_quality,
    coalesce(commune.commune_name, projected.commune_name) as commune_name,
    projected.former_insee_code,
    projected.former_commune_name,
    projected.street_name,
    projected.place_name,
    case when projected.house_number < 99999 then projected.house_number end as house_number,
    projected.suffix,
    projected.house_number = 99999 as is_place_name,
    concat_ws(
        ' ',
        case when projected.house_number < 99999 then projected.house_number end,
        projected.suffix,
        projected.street_name
    ) as label,
    projected.longitude,
    projected.latitude,
    round(st_x(projected.place), 2) as x_m,
    round(st_y(projected.place), 2) as y_m,
    projected.position_type,
    projected.position_count,
    projected.parcels,
    projected.producer_name,
    projected.is_certified,
    projected.updated_date,
    projected.source_file,
    projected.source_sha256,
    projected.source_row
from projected
left join commune on projected.insee_code = commune.insee_code
