-- Each alert as it was last told.
with alert as (
    select * from {{ ref('stg_transit_realtime__alert') }}
),

last_told as (
    select
        *,
        min(feed_time) over (partition by alert_id) as first_told_time,
        list_transform(active_periods, lambda x: x['start_epoch_s']) as starts,
        list_transform(active_periods, lambda x: x['end_epoch_s']) as ends
    from alert
    qualify row_number() over (partition by alert_id order by feed_time desc, source_file desc, source_row desc) = 1
)

select
    alert_id,
    header_text,
    description_text,
    alert_url,
    lower(cause) as cause,
    lower(effect) as effect,
    lower(severity) as severity,
    to_timestamp(list_min(starts)) as start_time,
    -- A period without end has none, whatever the others say.
    case when not list_contains(list_transform(ends, lambda x: x is null), true) then to_timestamp(list_max(ends)) end
        as end_time,
    nullif(list_aggregate(list_sort(list_distinct(list_transform(
        informed_entities, lambda x: x['route_id']
    ))), 'string_agg', ','), '') as route_ids,
    nullif(list_aggregate(list_sort(list_distinct(list_transform(
        informed_entities, lambda x: x['stop_id']
    ))), 'string_agg', ','), '') as stop_ids,
    first_told_time,
    feed_time as last_told_time,
    source_file,
    source_sha256,
    source_row
from last_told
