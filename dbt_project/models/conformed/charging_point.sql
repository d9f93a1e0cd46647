-- « Non concerné » is no identifier: the operator's own takes its place. Coordinates are text, now and then the wrong
-- way round; metropolitan France leaves no doubt which is which. Post codes come in place of INSEE codes.
with point as (
    select * from {{ ref('stg_charging_points__point') }}
),

commune as (
    select * from {{ ref('commune') }}
),

parsed as (
    select
        *,
        nullif(charging_point_id, 'Non concerné') as national_point_id,
        coalesce(nullif(station_id, 'Non concerné'), local_station_id, station_name) as own_station_id,
        row_number() over (partition by station_id, station_name order by source_row) as place,
        try_cast(regexp_extract(coordinates, '^\[\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*\]$', 1) as double) as first_deg,
        try_cast(regexp_extract(coordinates, '^\[\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*\]$', 2) as double) as second_deg,
        trim(regexp_extract(address, '[0-9]{5}\s+(.+)$', 1)) as town
    from point
),

placed as (
    select
        *,
        coalesce(national_point_id, local_charging_point_id, own_station_id || '#' || place) as own_point_id,
        coalesce(first_deg between 41 and 52 and second_deg between -6 and 10, false) as is_swapped
    from parsed
)

select
    placed.own_point_id as charging_point_id,
    placed.national_point_id,
    placed.local_charging_point_id,
    placed.own_station_id as station_id,
    'charging_points:' || placed.own_station_id as thing_id,
    placed.station_name,
    placed.location_type,
    placed.address,
    coalesce(by_code.insee_code, by_name.insee_code, placed.insee_code) as insee_code,
    coalesce(by_code.insee_code, by_name.insee_code) is not null as is_in_territory,
    case when placed.is_swapped then placed.second_deg else placed.first_deg end as longitude,
    case when placed.is_swapped then placed.first_deg else placed.second_deg end as latitude,
    placed.is_swapped as is_position_corrected,
    placed.declared_point_count,
    placed.nominal_power_kw,
    placed.has_plug_ef,
    placed.has_plug_type_2,
    placed.has_plug_combo_ccs,
    placed.has_plug_chademo,
    placed.has_plug_other,
    placed.has_attached_cable,
    placed.is_free_of_charge,
    placed.has_pay_per_use,
    placed.has_bank_card_payment,
    placed.has_other_payment,
    placed.pricing,
    placed.access_condition,
    placed.has_booking,
    placed.opening_hours,
    placed.accessibility,
    placed.size_restriction,
    placed.is_two_wheeler_only,
    placed.grid_connection,
    placed.delivery_point_id,
    placed.commissioned_date,
    placed.updated_date,
    placed.planner_name,
    placed.planner_siren,
    placed.planner_contact,
    placed.operator_name,
    placed.operator_contact,
    placed.operator_phone,
    placed.brand_name,
    placed.point_comment,
    placed.source_file,
    placed.source_row
from placed
left join commune as by_code on placed.insee_code = by_code.insee_code
left join commune as by_name on lower(placed.town) = lower(by_name.commune_name)
