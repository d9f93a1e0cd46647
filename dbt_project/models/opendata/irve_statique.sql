-- A point that nobody placed is left out: the standard wants its coordinates. What has no national id says so in the
-- standard's own words.
with point as (
    select * from {{ ref('charging_point') }}
    where is_in_territory and longitude is not null and latitude is not null
)

select
    planner_name as nom_amenageur,
    planner_siren as siren_amenageur,
    planner_contact as contact_amenageur,
    operator_name as nom_operateur,
    operator_contact as contact_operateur,
    operator_phone as telephone_operateur,
    brand_name as nom_enseigne,
    coalesce(national_station_id, 'Non concerné') as id_station_itinerance,
    coalesce(local_station_id, if(national_station_id is null, station_id, null)) as id_station_local,
    station_name as nom_station,
    case location_type
        when 'on_street' then 'Voirie'
        when 'public_car_park' then 'Parking public'
        when 'private_car_park_public_use' then 'Parking privé à usage public'
        when 'customer_car_park' then 'Parking privé réservé à la clientèle'
        when 'fast_charging_station' then 'Station dédiée à la recharge rapide'
    end as implantation_station,
    address as adresse_station,
    insee_code as code_insee_commune,
    '[' || longitude::decimal(9, 6) || ',' || latitude::decimal(9, 6) || ']' as coordonneesXY,  -- noqa: CP02
    declared_point_count::integer as nbre_pdc,
    coalesce(national_point_id, 'Non concerné') as id_pdc_itinerance,
    coalesce(local_charging_point_id, if(national_point_id is null, charging_point_id, null)) as id_pdc_local,
    nominal_power_kw as puissance_nominale,
    has_plug_ef as prise_type_ef,
    has_plug_type_2 as prise_type_2,
    has_plug_combo_ccs as prise_type_combo_ccs,
    has_plug_chademo as prise_type_chademo,
    has_plug_other as prise_type_autre,
    is_free_of_charge as gratuit,
    has_pay_per_use as paiement_acte,
    has_bank_card_payment as paiement_cb,
    has_other_payment as paiement_autre,
    pricing as tarification,
    case access_condition when 'open' then 'Accès libre' when 'restricted' then 'Accès réservé' end as condition_acces,
    has_booking as reservation,
    opening_hours as horaires,
    case accessibility
        when 'reserved' then 'Réservé PMR'
        when 'accessible' then 'Accessible mais non réservé PMR'
        when 'not_accessible' then 'Non accessible'
        when 'unknown' then 'Accessibilité inconnue'
    end as accessibilite_pmr,
    size_restriction as restriction_gabarit,
    is_two_wheeler_only as station_deux_roues,
    case grid_connection when 'direct' then 'Direct' when 'indirect' then 'Indirect' end as raccordement,
    delivery_point_id as num_pdl,
    commissioned_date as date_mise_en_service,
    point_comment as observations,
    updated_date as date_maj,
    has_attached_cable as cable_t2_attache
from point
