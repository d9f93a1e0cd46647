-- One observation for each number at the top level of the decoded payload, of frames as they were first received.
-- A frame comes again when its answer is lost, or when a second hotspot sells it: same device, counter and content,
-- within the hour. Later, or with another content, the counter has started again. (In three real exports of 37 678
-- frames, 10 353 were such copies; 26 came within the hour with another content, 6 later with the same.)
with uplink as (
    select * from {{ ref('stg_lorawan_uplinks__uplink') }}
    where
        decoded_object is not null
        and {{ at_stake('event_date', 'observation', 1) }}
),

compared as (
    select
        *,
        lag(received_time) over (
            partition by dev_eui, f_cnt, decoded_object
            order by received_time, source_file, source_row
        ) as copied_time
    from uplink
),

decoded as (
    select * from compared
    where copied_time is null or received_time - copied_time > interval 1 hour
),

-- Keys are looked up one by one: an object that has one twice, or a key with a dot or a quote, is read all the same.
leaf as (
    select
        dev_eui,
        received_time,
        decoded_object,
        source_file,
        source_sha256,
        source_row,
        unnest(list_distinct(json_keys(decoded_object))) as property
    from decoded
    where json_type(decoded_object) = 'OBJECT'
),

valued as (
    select
        *,
        json_extract(decoded_object, '/' || replace(replace(property, '~', '~0'), '/', '~1')) as leaf_value
    from leaf
),

measure as (
    select
        dev_eui,
        received_time,
        source_file,
        source_sha256,
        source_row,
        replace(property, ':', '_') as property,
        try_cast(leaf_value as double) as result
    from valued
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
where isfinite(result)
