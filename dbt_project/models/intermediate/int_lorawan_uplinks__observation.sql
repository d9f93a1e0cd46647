-- One observation for each number at the top level of the decoded payload.
with uplink as (
    select * from {{ ref('stg_lorawan_uplinks__uplink') }}
    where {{ at_stake('event_date', 'observation') }}
),

decoded as (
    select
        *,
        json_transform(decoded_object, '"MAP(VARCHAR, JSON)"') as leaves
    from uplink
),

leaf as (
    select
        dev_eui,
        received_time,
        source_file,
        source_sha256,
        source_row,
        unnest(map_keys(leaves)) as property,
        unnest(map_values(leaves)) as leaf_value
    from decoded
),

measure as (
    select
        dev_eui,
        received_time,
        source_file,
        source_sha256,
        source_row,
        property,
        try_cast(leaf_value as double) as result
    from leaf
    where json_type(leaf_value) in ('BIGINT', 'UBIGINT', 'DOUBLE')
)

select
    'lorawan_uplinks' as source_id,
    'lorawan_uplinks:' || dev_eui || ':' || property as datastream_id,
    received_time as phenomenon_time,
    null::timestamptz as phenomenon_end_time,
    result,
    'good' as quality,
    source_file,
    source_sha256,
    source_row
from measure
