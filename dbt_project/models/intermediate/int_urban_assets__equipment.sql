{{ config(materialized='view', schema='staging') }}

with asset as (
    select * from {{ ref('stg_urban_assets__asset') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select
        *,
        replace(strip_accents(lower(commune_name)), '-', ' ') as plain_name
    from {{ ref('commune') }}
),

-- two numbers in one cell, whatever stands between them
split as (
    select
        *,
        [
            replace(part, ',', '.')::double
            for part in regexp_extract_all(coordinates, '-?\d+[.,]\d+')
        ] as pair
    from asset
),

given as (
    select
        * exclude (longitude, latitude),
        coalesce(longitude, pair[1]) as first_number,
        coalesce(latitude, pair[2]) as second_number
    from split
),

-- metropolitan France is not as far east as it is far north: which number is which needs no guess
judged as (
    select
        *,
        case
            when nullif(first_number, 0) is null or nullif(second_number, 0) is null then 'missing'
            when first_number between -5.5 and 10 and second_number between 41 and 51.5 then 'given'
            when second_number between -5.5 and 10 and first_number between 41 and 51.5
                then if(coordinates is null, 'swapped', 'given')
            else 'implausible'
        end as position_quality
    from given
),

parsed as (
    select
        *,
        case
            when position_quality in ('given', 'swapped')
                then round(least(first_number, second_number), 6)
        end as longitude,
        case
            when position_quality in ('given', 'swapped')
                then round(greatest(first_number, second_number), 6)
        end as latitude
    from judged
),

-- the producer's own number, else the place (to a metre), else what is written of it
named as (
    select
        *,
        concat(
            producer_siren, ':', category, ':',
            coalesce(
                asset_ref,
                printf('@%.5f,%.5f', longitude, latitude),
                '#' || left(md5(lower(concat_ws('|', name, address))), 12)
            )
        ) as base_id
    from parsed
),

-- a number given twice in one list is two assets; the same asset in two lists of a producer is one
numbered as (
    select
        *,
        row_number() over (partition by series_id, base_id order by source_row) as occurrence
    from named
),

identified as (
    select
        *,
        base_id || if(occurrence > 1, '-' || occurrence, '') as equipment_id,
        producer_siren in (select commune.siren from commune) as is_of_commune
    from numbered
    qualify
        row_number() over (
            partition by base_id, occurrence
            order by longitude is null, source_time desc, source_file desc, source_row desc
        ) = 1
),

-- given, else of the commune named, else of the commune that lists it
named_commune as (
    select
        identified.* exclude (insee_code),
        coalesce(identified.insee_code, by_name.insee_code, own.insee_code) as insee_code
    from identified
    left join commune as by_name
    on replace(strip_accents(lower(identified.commune_name)), '-', ' ') = by_name.plain_name
    left join commune as own on identified.producer_siren = own.siren
),

located as (
    {{ with_commune('named_commune') }}
)

select
    equipment_id,
    category,
    category_label,
    name,
    address,
    insee_code,
    insee_code_quality,
    commune_name,
    longitude,
    latitude,
    position_quality,
    installed_date,
    condition,
    unit_count,
    is_accessible,
    access,
    ssid,
    phone,
    photo_url,
    comment,
    extra,
    producer_siren,
    is_of_commune,
    asset_ref,
    source_file,
    source_sha256,
    source_time,
    source_row
from located
