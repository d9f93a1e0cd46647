-- What a commune and the agglomeration may both have listed: assets of one kind, a stone's throw apart.
with listed as (
    select * from {{ ref('int_urban_assets__equipment') }}
),

-- names apart from case, accents and punctuation
plain as (
    select
        *,
        nullif(trim(regexp_replace(strip_accents(lower(name)), '[^a-z0-9]+', ' ', 'g')), '') as plain_name
    from listed
    where longitude is not null
),

near as (
    select
        ours.equipment_id,
        theirs.equipment_id as also_listed_id,
        ours.category,
        sqrt(
            pow((ours.longitude - theirs.longitude) * cos(radians(ours.latitude)), 2)
            + pow(ours.latitude - theirs.latitude, 2)
        ) * 111320 as distance_m,
        jaro_winkler_similarity(ours.plain_name, theirs.plain_name) as name_similarity,
        coalesce(ours.plain_name = theirs.plain_name, false) as is_same_name
    from plain as ours
    inner join plain as theirs
    on
        ours.category = theirs.category
        and ours.latitude between theirs.latitude - 0.0003 and theirs.latitude + 0.0003
        and ours.longitude between theirs.longitude - 0.0006 and theirs.longitude + 0.0006
    where ours.is_of_commune and not theirs.is_of_commune
),

-- the best of each for the other: the same name first, then the nearest
ranked as (
    select
        *,
        row_number() over (
            partition by equipment_id order by not is_same_name, distance_m, also_listed_id
        ) = 1
        and row_number() over (
            partition by also_listed_id order by not is_same_name, distance_m, equipment_id
        ) = 1 as is_best
    from near
    where distance_m <= 25
),

judged as (
    select
        *,
        case
            when not is_best then 'another_fits_better'
            when is_same_name then 'same_name_within_25_m'
            when distance_m <= 8 then 'nearest_within_8_m'
            else 'too_far_for_the_place_alone'
        end as reason
    from ranked
)

select
    equipment_id,
    also_listed_id,
    category,
    round(distance_m, 2) as distance_m,
    round(name_similarity, 3) as name_similarity,
    if(reason in ('same_name_within_25_m', 'nearest_within_8_m'), 'same', 'different') as decision,
    reason
from judged
