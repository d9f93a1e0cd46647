-- Each stop as the last export that has it says. The commune is declared where the export's free text names it.
with stop as (
    select * from {{ ref('stg_transit_gtfs__stop') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
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
),

named as (
    select
        latest.*,
        commune.insee_code
    from latest
    left join commune on latest.stop_description = commune.commune_name
),

located as (
    {{ with_commune('named') }}
)

select
    located.stop_id,
    located.stop_code,
    located.stop_name,
    located.stop_description,
    located.zone_id,
    located.stop_url,
    located.platform_code,
    case coalesce(located.location_type, 0)
        when 0 then 'stop'
        when 1 then 'station'
        when 2 then 'entrance'
        when 3 then 'node'
        when 4 then 'boarding_area'
    end as stop_kind,
    located.parent_stop_id,
    located.longitude,
    located.latitude,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    case located.wheelchair_boarding
        when 1 then true
        when 2 then false
    end as is_wheelchair_accessible,
    located.feed_id,
    located.is_last as is_in_last_feed,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
