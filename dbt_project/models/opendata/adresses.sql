-- Version 1.5 of the format requires national identifiers, a position and a date: an address without them waits.
-- Of an address with several positions, the best one.
with address as (
    select * from {{ ref('address') }}
    where
        ban_commune_id is not null
        and ban_street_id is not null
        and longitude is not null
        and latitude is not null
        and producer_name is not null
        and updated_date is not null
        -- a place in another commune than the one whose list it is on: one of the two is wrong
        and insee_code_quality is distinct from 'conflict'
),

commune as (
    select * from {{ ref('commune') }}
)

select
    address.ban_commune_id as id_ban_commune,
    address.ban_street_id as id_ban_toponyme,
    address.ban_address_id as id_ban_adresse,
    address.insee_code as commune_insee,
    commune.commune_name as commune_nom,
    address.former_insee_code as commune_deleguee_insee,
    address.former_commune_name as commune_deleguee_nom,
    address.street_name as toponyme,
    address.place_name as lieudit_complement_nom,
    coalesce(address.house_number, 99999)::integer as numero,
    address.suffix as suffixe,
    case address.position_type
        when 'delivery_point' then 'délivrance postale'
        when 'entrance' then 'entrée'
        when 'building' then 'bâtiment'
        when 'staircase' then 'cage d’escalier'
        when 'dwelling' then 'logement'
        when 'parcel' then 'parcelle'
        when 'segment' then 'segment'
        when 'utility' then 'service technique'
    end as position,
    printf('%.2f', address.x_m) as x,
    printf('%.2f', address.y_m) as y,
    printf('%.6f', address.longitude) as long,
    printf('%.6f', address.latitude) as lat,
    -- the standard's pattern has one digit more than the land registry: what it refuses is left out
    case
        when
            regexp_full_match(
                address.parcels, '([0-9]{9}[0-9A-Z]{2}[0-9]{4})(?:\|([0-9]{9}[0-9A-Z]{2}[0-9]{4}))*'
            ) then address.parcels
    end as cad_parcelles,
    address.producer_name as source,
    address.updated_date as date_der_maj,
    coalesce(address.is_certified, false) as certification_commune
from address
inner join commune on address.insee_code = commune.insee_code
