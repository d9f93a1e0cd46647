-- « Non concerné » is no identifier: the operator's own takes its place. Coordinates are text, now and then the wrong
-- way round; metropolitan France leaves no doubt which is which. Post codes come in place of INSEE codes.
with point as (
    select * from {{ ref('stg_charging_points__point') }}
),

statement as (
    select * from {{ ref('int_corrections__statement') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

parsed as (
    select
        *,
        nullif(charging_point_id, 'Non concerné') as national_point_id,
        nullif(station_id, 'Non concerné') as national_station_id,
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
),

named as (
    select
        placed.* exclude (charging_point_id, insee_code),
        placed.own_point_id as charging_point_id,
        coalesce(by_code.insee_code, by_name.insee_code, placed.insee_code) as insee_code,
        case when placed.is_swapped then placed.second_deg else placed.first_deg end as longitude,
        case when placed.is_swapped then placed.first_deg else placed.second_deg end as latitude
    from placed
    left join commune as by_code on placed.insee_code = by_code.insee_code
    left join commune as by_name on lower(placed.town) = lower(by_name.commune_name)
),

located as (
    {{ with_commune('named') }}
),

corrected as (
    {{ corrected('located', 'charging_point') }}
)

select
    corrected.charging_point_id,
    corrected.national_point_id,
    corrected.local_charging_point_id,
    corrected.own_station_id as station_id,
    corrected.national_station_id,
    corrected.local_station_id,
    'charging_points:' || corrected.own_station_id as thing_id,
    corrected.station_name,
    corrected.location_type,
    corrected.address,
    corrected.insee_code,
    corrected.insee_code_quality,
    commune.insee_code is not null as is_in_territory,
    corrected.longitude,
    corrected.latitude,
    corrected.is_swapped as is_position_corrected,
    corrected.declared_point_count,
    corrected.nominal_power_kw,
    corrected.has_plug_ef,
    corrected.has_plug_type_2,
    corrected.has_plug_combo_ccs,
    corrected.has_plug_chademo,
    corrected.has_plug_other,
    corrected.has_attached_cable,
    corrected.is_free_of_charge,
    corrected.has_pay_per_use,
    corrected.has_bank_card_payment,
    corrected.has_other_payment,
    corrected.pricing,
    corrected.access_condition,
    corrected.has_booking,
    corrected.opening_hours,
    corrected.accessibility,
    corrected.size_restriction,
    corrected.is_two_wheeler_only,
    corrected.grid_connection,
    corrected.delivery_point_id,
    corrected.commissioned_date,
    corrected.updated_date,
    corrected.planner_name,
    corrected.planner_siren,
    corrected.planner_contact,
    corrected.operator_name,
    corrected.operator_contact,
    corrected.operator_phone,
    corrected.brand_name,
    corrected.point_comment,
    corrected.correction_ids,
    corrected.source_file,
    corrected.source_row
from corrected
left join commune on corrected.insee_code = commune.insee_code
