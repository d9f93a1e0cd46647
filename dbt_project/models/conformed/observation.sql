{{ config(
    delta_strategy='replace_by_day',
    day_column='phenomenon_date',
    partition_by=['phenomenon_date'],
    meta={'stake': {'sources': 'telemetry', 'margin_days': 1}}
) }}

with building_energy as (
    select * from {{ ref('int_building_energy__observation') }}
),

lorawan_uplinks as (
    select * from {{ ref('int_lorawan_uplinks__observation') }}
),

traffic_counts as (
    select * from {{ ref('int_traffic_counts__observation') }}
),

water_scada as (
    select * from {{ ref('int_water_scada__observation') }}
),

-- Sources whose contract says all there is to say.
declared as (
    {%- for told in telemetry_tables() %}
        {{ observations_of(told) }}
        {{ 'union all by name' if not loop.last }}
    {%- endfor %}
),

observed as (
    select * from building_energy
    union all by name
    select * from lorawan_uplinks
    union all by name
    select * from traffic_counts
    union all by name
    select * from water_scada
    union all by name
    select * from declared
),

dated as (
    select
        *,
        timezone('UTC', phenomenon_time)::date as phenomenon_date
    from observed
)

select
    datastream_id,
    phenomenon_time,
    phenomenon_end_time,
    result,
    quality,
    phenomenon_date,
    source_id,
    source_file,
    source_sha256,
    source_row
from dated
where {{ at_stake('phenomenon_date', 'observation') }}
