with asset as (
    select * from {{ ref('stg_asset_register__asset') }}
),

datastream as (
    select * from {{ ref('datastream') }}
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
)

select
    coalesce(registered.thing_id, seen.thing_id) as thing_id,
    coalesce(registered.source_id, seen.source_id) as source_id,
    coalesce(registered.native_id, seen.native_id) as native_id,
    registered.name,
    registered.category,
    registered.use,
    registered.floor_area_m2,
    registered.commissioned_date,
    registered.thing_id is not null as is_registered,
    seen.thing_id is not null as is_observed
from registered
full join seen on registered.thing_id = seen.thing_id
