-- Each line as the last export that has it says.
with route as (
    select * from {{ ref('stg_transit_gtfs__route') }}
),

agency as (
    select * from {{ ref('stg_transit_gtfs__agency') }}
),

feed as (
    select * from {{ ref('transit_feed') }}
),

-- A network of one operator may leave its identifier out of the lines.
sole_agency as (
    select
        feed_id,
        min(agency_name) as agency_name
    from agency
    group by feed_id
    having count(*) = 1
),

latest as (
    select
        route.*,
        feed.is_last
    from route
    inner join feed on route.feed_id = feed.feed_id
    qualify row_number() over (partition by route.route_id order by feed.published_time desc, feed.feed_id desc) = 1
)

select
    latest.route_id,
    latest.short_name,
    latest.long_name,
    latest.route_description,
    latest.route_type::integer as route_type,
    -- Extended modes of the specification are hundreds of the kind they refine.
    case
        when latest.route_type = 0 or latest.route_type // 100 = 9 then 'tram'
        when latest.route_type = 1 or latest.route_type // 100 = 4 then 'metro'
        when latest.route_type = 2 or latest.route_type // 100 = 1 then 'rail'
        when latest.route_type in (3, 11) or latest.route_type // 100 in (7, 8) then 'bus'
        when latest.route_type = 4 or latest.route_type // 100 in (10, 12) then 'ferry'
        when latest.route_type // 100 = 2 then 'coach'
        when latest.route_type in (5, 6, 7) or latest.route_type // 100 in (13, 14) then 'cable'
        else 'other'
    end as transport_mode,
    upper(latest.colour) as colour,
    upper(latest.text_colour) as text_colour,
    latest.sort_order::integer as sort_order,
    latest.route_url,
    latest.agency_id,
    coalesce(agency.agency_name, sole_agency.agency_name) as agency_name,
    latest.feed_id,
    latest.is_last as is_in_last_feed,
    latest.source_file,
    latest.source_sha256,
    latest.source_row
from latest
left join agency on latest.feed_id = agency.feed_id and latest.agency_id = agency.agency_id
left join sole_agency on latest.feed_id = sole_agency.feed_id
