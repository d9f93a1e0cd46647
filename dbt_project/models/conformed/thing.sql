with asset as (
    select * from {{ ref('stg_asset_register__asset') }}
),

datastream as (
    select * from {{ ref('datastream') }}
),

statement as (
    select * from {{ ref('int_corrections__statement') }}
),

listed as (
    select * from {{ ref('int_platform__asset') }}
),

seen as (
    select distinct
        thing_id,
        source_id,
        native_id
    from datastream
),

registered as (
    select
        source_id || ':' || native_id as thing_id,
        *
    from asset
),

-- the register has the first word, then the platform's own inventory
known as (
    select
        coalesce(registered.thing_id, listed.thing_id) as thing_id,
        coalesce(registered.source_id, listed.source_id) as source_id,
        coalesce(registered.native_id, listed.native_id) as native_id,
        coalesce(registered.name, listed.name) as name,
        coalesce(registered.category, listed.category) as category,
        registered.use,
        registered.floor_area_m2,
        coalesce(registered.commissioned_date, listed.commissioned_date) as commissioned_date,
        registered.thing_id is not null as is_registered,
        listed.thing_id is not null as is_listed
    from registered
    full join listed on registered.thing_id = listed.thing_id
),

whole as (
    select
        coalesce(known.thing_id, seen.thing_id) as thing_id,
        coalesce(known.source_id, seen.source_id) as source_id,
        coalesce(known.native_id, seen.native_id) as native_id,
        known.name,
        known.category,
        known.use,
        known.floor_area_m2,
        known.commissioned_date,
        coalesce(known.is_registered, false) as is_registered,
        coalesce(known.is_listed, false) as is_listed,
        seen.thing_id is not null as is_observed
    from known
    full join seen on known.thing_id = seen.thing_id
),

corrected as (
    {{ corrected('whole', 'thing') }}
)

select
    thing_id,
    source_id,
    native_id,
    name,
    category,
    use,
    floor_area_m2,
    commissioned_date,
    is_registered,
    is_listed,
    is_observed,
    correction_ids
from corrected
