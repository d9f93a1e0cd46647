-- Pairs of things of one kind on two platforms, with what speaks for their being one, and what was decided.
with thing as (
    select * from {{ ref('thing') }}
),

location as (
    select * from {{ ref('location') }}
),

listed as (
    select * from {{ ref('int_platform__asset') }}
),

asset_kind as (
    select * from {{ ref('asset_kind') }}
),

candidate as (
    select
        thing.thing_id,
        thing.source_id,
        thing.native_id,
        listed.told_id,
        nullif(trim(regexp_replace(strip_accents(lower(thing.name)), '[^a-z0-9]+', ' ', 'g')), '') as plain_name,
        location.longitude,
        location.latitude,
        asset_kind.kind,
        asset_kind.precedence
    from thing
    inner join asset_kind on thing.source_id = asset_kind.source_id and thing.category = asset_kind.category
    left join location on thing.thing_id = location.thing_id
    left join listed on thing.thing_id = listed.thing_id
),

paired as (
    select
        ours.thing_id,
        ours.source_id as own_source_id,
        ours.precedence,
        theirs.thing_id as other_id,
        theirs.source_id,
        theirs.native_id,
        coalesce(ours.told_id = theirs.native_id or theirs.told_id = ours.native_id, false) as is_declared,
        sqrt(
            pow((ours.longitude - theirs.longitude) * cos(radians(ours.latitude)), 2)
            + pow(ours.latitude - theirs.latitude, 2)
        ) * 111320 as distance_m,
        jaro_winkler_similarity(ours.plain_name, theirs.plain_name) as name_similarity,
        regexp_extract_all(ours.plain_name, '[0-9]+')
        = regexp_extract_all(theirs.plain_name, '[0-9]+') as is_same_number
    from candidate as ours
    inner join candidate as theirs on ours.kind = theirs.kind and ours.precedence < theirs.precedence
),

-- 100 m: a site is as long as that, and one platform has its entrance, another its middle
near as (
    select
        *,
        count(*) over (partition by thing_id, source_id) as other_count,
        count(*) over (partition by other_id, own_source_id) as own_count,
        row_number() over (
            partition by thing_id, source_id
            order by not is_declared, -coalesce(name_similarity, 0), distance_m, other_id
        ) = 1
        and row_number() over (
            partition by other_id, own_source_id
            order by not is_declared, -coalesce(name_similarity, 0), distance_m, thing_id
        ) = 1 as is_best
    from paired
    where is_declared or distance_m <= 100
),

-- Names that differ in a number are of two things, however alike; 0.92 lets an ending or an abbreviation pass. The
-- place alone decides where nothing else of the kind is near.
judged as (
    select
        *,
        case
            when is_declared then 'declared'
            when name_similarity is not null then 'place_and_name'
            else 'place'
        end as method,
        is_best and case
            when is_declared then true
            when name_similarity is not null then name_similarity >= 0.92 and is_same_number
            else distance_m <= 8 and other_count = 1 and own_count = 1
        end as is_same
    from near
)

-- of three that are one, the first stands for both others
select
    thing_id,
    source_id,
    native_id,
    'same_as' as relation,
    method,
    round(distance_m, 2) as distance_m,
    round(name_similarity, 3) as name_similarity,
    is_same as decided
from judged
qualify not is_same or row_number() over (partition by other_id, is_same order by precedence) = 1
