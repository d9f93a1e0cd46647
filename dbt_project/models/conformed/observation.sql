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

statement as (
    select * from {{ ref('int_corrections__statement') }}
    where target_table = 'observation'
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
    where {{ at_stake('phenomenon_date', 'observation') }}
)

-- Statements about one column of a series do not overlap: no row is matched twice.
select
    dated.datastream_id,
    dated.phenomenon_time,
    dated.phenomenon_end_time,
    if(of_result.correction_id is null, dated.result, try_cast(of_result.to_value as double)) as result,
    coalesce(of_quality.to_value, dated.quality) as quality,
    dated.phenomenon_date,
    nullif(concat_ws(';', of_result.correction_id, of_quality.correction_id), '') as correction_ids,
    dated.source_id,
    dated.source_file,
    dated.source_sha256,
    dated.source_row
from dated
left join statement as of_result
on
    of_result.target_column = 'result'
    and dated.datastream_id = of_result.target_key
    and dated.phenomenon_time >= of_result.start_time
    and dated.phenomenon_time < of_result.end_time
    and (of_result.from_value is null or dated.result = try_cast(of_result.from_value as double))
left join statement as of_quality
on
    of_quality.target_column = 'quality'
    and dated.datastream_id = of_quality.target_key
    and dated.phenomenon_time >= of_quality.start_time
    and dated.phenomenon_time < of_quality.end_time
    and (of_quality.from_value is null or dated.quality = of_quality.from_value)
