-- Only the days at stake are read; what they do not show stays as it was (merge).
{{ config(
    delta_strategy='merge',
    unique_key='datastream_id',
    meta={'stake': {'sources': 'telemetry', 'margin_days': 1}}
) }}

with observation as (
    select * from {{ ref('observation') }}
    where {{ at_stake('phenomenon_date', 'datastream') }}
),

scada_reading as (
    select * from {{ ref('stg_water_scada__reading') }}
    where {{ at_stake('event_date', 'datastream') }}
),

load_curve as (
    select * from {{ ref('stg_building_energy__load') }}
    where {{ at_stake('event_date', 'datastream') }}
),

property as (
    select * from {{ ref('stg_contract__datastream') }}
),

source_unit as (
    select * from {{ ref('source_unit') }}
),

seen as (
    select distinct
        source_id,
        datastream_id,
        split_part(datastream_id, ':', 2) as native_id,
        split_part(datastream_id, ':', 3) as property_code
    from observation
),

-- SCADA channel codes are a kind of three letters and a number (DEB01).
coded as (
    select
        *,
        case when source_id = 'water_scada' then left(property_code, 3) else property_code end as code
    from seen
),

-- A source whose rows have codes of their own declares one property for all of them.
any_code as (
    select * from property
    where property_code is null
    qualify row_number() over (partition by source_id order by observed_property) = 1
),

scada_channel as (
    select
        'water_scada:' || unit_id || ':' || channel_id as datastream_id,
        arg_max(channel_label, reading_time) as label,
        arg_max(source_unit, reading_time) as source_unit
    from scada_reading
    group by unit_id, channel_id
),

told_unit as (
    select
        datastream_id,
        source_unit
    from scada_channel
    {%- for told in telemetry_tables() if told.results | selectattr('unit_column', 'defined') | list %}
    union all
    {{ units_told_by(told) }}
    {%- endfor %}
),

energy_header as (
    select
        prm as native_id,
        arg_max(declared_step_min, stamp_time) as declared_step_min
    from load_curve
    group by prm
),

described as (
    select
        coded.datastream_id,
        coded.source_id,
        coded.source_id || ':' || coded.native_id as thing_id,
        coded.native_id,
        coded.property_code,
        coalesce(property.observed_property, any_code.observed_property, coded.property_code) as observed_property,
        coalesce(source_unit.unit_ucum, told_unit.source_unit, property.unit_ucum, any_code.unit_ucum) as unit_ucum,
        coalesce(
            energy_header.declared_step_min, property.declared_step_min, any_code.declared_step_min
        )::integer as declared_step_min,
        coalesce(property.is_counter, any_code.is_counter, false) as is_counter,
        coalesce(property.modulo, any_code.modulo) as modulo,
        coalesce(scada_channel.label, property.observed_property, coded.property_code) as name
    from coded
    left join scada_channel on coded.datastream_id = scada_channel.datastream_id
    left join told_unit on coded.datastream_id = told_unit.datastream_id
    left join source_unit on told_unit.source_unit = source_unit.source_unit
    left join energy_header
    on
        coded.source_id = 'building_energy'
        and coded.property_code like 'active_power%'
        and coded.native_id = energy_header.native_id
    left join property on coded.source_id = property.source_id and coded.code = property.property_code
    left join any_code on coded.source_id = any_code.source_id
)

select
    datastream_id,
    thing_id,
    source_id,
    native_id,
    property_code,
    observed_property,
    unit_ucum,
    declared_step_min,
    is_counter,
    modulo,
    name
from described
