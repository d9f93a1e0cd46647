-- As the last export has them; those of earlier ones stay in the conformed table.
with stop as (
    select * from {{ ref('transit_stop') }}
    where is_in_last_feed
)

select
    stop_id,
    stop_code,
    stop_name,
    stop_description as stop_desc,
    latitude as stop_lat,
    longitude as stop_lon,
    zone_id,
    stop_url,
    case stop_kind
        when 'stop' then 0
        when 'station' then 1
        when 'entrance' then 2
        when 'node' then 3
        when 'boarding_area' then 4
    end as location_type,
    parent_stop_id as parent_station,
    case is_wheelchair_accessible
        when true then 1
        when false then 2
    end as wheelchair_boarding,
    platform_code
from stop
