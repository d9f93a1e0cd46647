with listed as (
    select * from {{ ref('int_urban_assets__equipment') }}
),

statement as (
    select * from {{ ref('int_corrections__statement') }}
),

commune as (
    select * from {{ ref('commune') }}
),

match as (
    select * from {{ ref('equipment_match') }}
),

same as (
    select * from match
    where decision = 'same'
),

corrected as (
    {{ corrected('listed', 'equipment') }}
)

select
    corrected.equipment_id,
    corrected.category,
    corrected.category_label,
    corrected.name,
    corrected.address,
    corrected.insee_code,
    corrected.insee_code_quality,
    coalesce(commune.commune_name, corrected.commune_name) as commune_name,
    corrected.longitude,
    corrected.latitude,
    corrected.position_quality,
    corrected.installed_date,
    corrected.condition,
    corrected.unit_count,
    corrected.is_accessible,
    nullif(
        json_merge_patch(
            coalesce(corrected.extra, '{}'),
            json_object(
                'access', corrected.access, 'ssid', corrected.ssid, 'phone', corrected.phone,
                'photo_url', corrected.photo_url, 'comment', corrected.comment
            )
        )::varchar,
        '{}'
    ) as attributes,
    corrected.producer_siren,
    corrected.asset_ref as producer_ref,
    same.also_listed_id,
    timezone('UTC', corrected.source_time)::date as listed_date,
    corrected.correction_ids,
    corrected.source_file,
    corrected.source_sha256,
    corrected.source_row
from corrected
left join commune on corrected.insee_code = commune.insee_code
left join same on corrected.equipment_id = same.equipment_id
left join same as copy on corrected.equipment_id = copy.also_listed_id
where copy.also_listed_id is null
