with asset as (
    select * from {{ ref('stg_urban_assets__asset') }}
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

located as (
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
    from located
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

-- what the agglomeration measured too: nearest to each other, same kind, a few metres apart
near as (
    select
        ours.equipment_id,
        theirs.equipment_id as also_listed_id,
        sqrt(
            pow((ours.longitude - theirs.longitude) * cos(radians(ours.latitude)), 2)
            + pow(ours.latitude - theirs.latitude, 2)
        ) * 111320 as distance_m
    from identified as ours
    inner join identified as theirs
    on
        ours.category = theirs.category
        and ours.latitude between theirs.latitude - 0.0001 and theirs.latitude + 0.0001
        and ours.longitude between theirs.longitude - 0.0002 and theirs.longitude + 0.0002
    where ours.is_of_commune and not theirs.is_of_commune
),

listed_twice as (
    select * from near
    where distance_m <= 8
    qualify
        row_number() over (partition by equipment_id order by distance_m, also_listed_id) = 1
        and row_number() over (partition by also_listed_id order by distance_m, equipment_id) = 1
)

select
    identified.equipment_id,
    identified.category,
    identified.category_label,
    identified.name,
    identified.address,
    coalesce(identified.insee_code, named_commune.insee_code, own_commune.insee_code) as insee_code,
    coalesce(given_commune.commune_name, named_commune.commune_name, identified.commune_name) as commune_name,
    identified.longitude,
    identified.latitude,
    identified.position_quality,
    identified.installed_date,
    identified.condition,
    identified.unit_count,
    identified.is_accessible,
    nullif(
        json_merge_patch(
            coalesce(identified.extra, '{}'),
            json_object(
                'access', identified.access, 'ssid', identified.ssid, 'phone', identified.phone,
                'photo_url', identified.photo_url, 'comment', identified.comment
            )
        )::varchar,
        '{}'
    ) as attributes,
    identified.producer_siren,
    identified.asset_ref as producer_ref,
    listed_twice.also_listed_id,
    identified.source_file,
    identified.source_sha256,
    identified.source_row
from identified
left join commune as given_commune on identified.insee_code = given_commune.insee_code
left join commune as named_commune
on replace(strip_accents(lower(identified.commune_name)), '-', ' ') = named_commune.plain_name
left join commune as own_commune on identified.producer_siren = own_commune.siren
left join listed_twice on identified.equipment_id = listed_twice.equipment_id
left join listed_twice as copy on identified.equipment_id = copy.also_listed_id
where copy.also_listed_id is null
