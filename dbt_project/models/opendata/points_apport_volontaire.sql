with bin as (
    select * from {{ ref('waste_bin') }}
),

listed as (
    select * from {{ ref('equipment') }}
    where category = 'recycling_point'
),

commune as (
    select * from {{ ref('commune') }}
),

container as (
    select
        bin_id as point_id,
        bin_name as point_name,
        case waste_stream
            when 'glass' then 'Verre' when 'packaging' then 'Emballages' when 'paper' then 'Papier'
            when 'residual' then 'Ordures ménagères'
        end as stream,
        capacity_l,
        true as has_sensor,
        null::varchar as address,
        insee_code,
        longitude,
        latitude,
        {{ business_date('last_measure_time') }} as updated_date
    from bin
    union all by name
    select
        equipment_id as point_id,
        name as point_name,
        null::varchar as stream,
        null::bigint as capacity_l,
        false as has_sensor,
        address,
        insee_code,
        longitude,
        latitude,
        listed_date as updated_date
    from listed
)

select
    container.point_id as id_pav,
    container.point_name as nom,
    container.stream as flux,
    container.capacity_l::integer as capacite_l,
    container.has_sensor as sonde_remplissage,
    container.address as adresse,
    container.insee_code as code_insee,
    commune.commune_name as commune_nom,
    container.longitude,
    container.latitude,
    container.updated_date as date_maj
from container
inner join commune on container.insee_code = commune.insee_code
