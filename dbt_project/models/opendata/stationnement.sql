-- Names as the standard asks: capitals without accents, without the word « parking ». A car park that has no number yet
-- waits for it, as its number is what consolidators know it by.
with car_park as (
    select * from {{ ref('car_park') }}
    where is_listed and commune_name is not null
),

national_id as (
    select * from {{ ref('national_id') }}
    where id_kind = 'stationnement'
)

select
    national_id.national_id as id,
    upper(strip_accents(
        regexp_replace(trim(car_park.car_park_name), '^parking\s+(de la\s+|de l''|du\s+|des\s+|de\s+)?', '', 'i')
    )) as nom,
    car_park.insee_code as insee,
    concat_ws(', ', car_park.address, car_park.postal_code, car_park.commune_name) as adresse,
    car_park.website_url as url,
    case car_park.user_type when 'all' then 'tous' when 'subscribers' then 'abonnés' end as type_usagers,
    car_park.is_free_of_charge as gratuit,
    car_park.total_space_count::integer as nb_places,
    car_park.park_and_ride_space_count::integer as nb_pr,
    car_park.accessible_space_count::integer as nb_pmr,
    car_park.charging_space_count::integer as nb_voitures_electriques,
    car_park.bicycle_space_count::integer as nb_velo,
    null::integer as nb_2r_el,
    car_park.car_sharing_space_count::integer as nb_autopartage,
    car_park.motorcycle_space_count::integer as nb_2_rm,
    car_park.carpool_space_count::integer as nb_covoit,
    coalesce(car_park.max_height_cm::varchar, 'N/A') as hauteur_max,
    car_park.operator_siret as num_siret,
    car_park.longitude as Xlong,  -- noqa: CP02
    car_park.latitude as Ylat,  -- noqa: CP02
    case car_park.accessible_price_type
        when 'free' then 'gratuit' when 'normal' then 'normal_payant' when 'special' then 'tarif_special'
    end as tarif_pmr,
    car_park.price_1h_eur as tarif_1h,
    car_park.price_2h_eur as tarif_2h,
    car_park.price_3h_eur as tarif_3h,
    car_park.price_4h_eur as tarif_4h,
    car_park.price_24h_eur as tarif_24h,
    car_park.resident_subscription_eur as abo_resident,
    car_park.subscription_eur as abo_non_resident,
    case car_park.structure_type
        when 'surface' then 'enclos_en_surface' when 'building' then 'ouvrage'
    end as type_ouvrage,
    car_park.car_park_comment as info
from car_park
inner join national_id on car_park.thing_id = national_id.thing_key
