-- Each stop as the last export that has it says. The commune is known where the export's free text names it.
with stop as (
    select * from {{ ref('stg_transit_gtfs__stop') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
),

commune as (
    select * from {{ ref('commune') }}
),

latest as (
    select
        stop.*,
        feed.is_last
    from stop
    inner join feed on stop.feed_id = feed.feed_id
    qualify row_number() over (partition by stop.stop_id order by feed.published_time desc, feed.feed_id desc) = 1
)

select
    latest.stop_id,
    latest.stop_code,
    latest.stop_name,
    case coalesce(latest.location_type, 0)
        when 0 then 'stop'
        when 1 then 'station'
        when 2 then 'entrance'
        when 3 then 'node'
        when 4 then 'boarding_area'
    end as stop_kind,
    latest.parent_stop_id,
    latest.longitude,
    latest.latitude,
    commune.insee_code,
    commune.commune_name,
    case latest.wheelchair_boarding
        when 1 then true
        when 2 then false
    end as is_wheelchair_accessible,
    latest.feed_id,
    latest.is_last as is_in_last_feed,
    latest.source_file,
    latest.source_sha256,
    latest.source_row
from latest
left join commune on latest.stop_description = commune.commune_name
