with point as (
    select * from {{ source('bronze', 'charging_points__point') }}
),

latest as (
    select * from point
    where {{ is_latest_snapshot(source('bronze', 'charging_points__point')) }}
    qualify {{ is_latest_revision(['charging_point_id', 'local_charging_point_id']) }}
)

select
    planner_name,
    planner_siren,
    planner_contact,
    operator_name,
    operator_contact,
    operator_phone,
    brand_name,
    station_id,
    local_station_id,
    station_name,
    location_type,
    address,
    insee_code,
    coordinates,
    declared_point_count,
    charging_point_id,
    local_charging_point_id,
    nominal_power_kw,
    has_plug_ef,
    has_plug_type_2,
    has_plug_combo_ccs,
    has_plug_chademo,
    has_plug_other,
    is_free_of_charge,
    has_pay_per_use,
    has_bank_card_payment,
    has_other_payment,
    pricing,
    access_condition,
    has_booking,
    opening_hours,
    accessibility,
    size_restriction,
    is_two_wheeler_only,
    grid_connection,
    delivery_point_id,
    commissioned_date,
    comment as point_comment,
    updated_date,
    has_attached_cable,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
