-- As the last export has them; those of earlier ones stay in the conformed table.
with route as (
    select * from {{ ref('transit_route') }}
    where is_in_last_feed
)

select
    route_id,
    agency_id,
    short_name as route_short_name,
    long_name as route_long_name,
    route_description as route_desc,
    route_type,
    route_url,
    colour as route_color,
    text_colour as route_text_color,
    sort_order as route_sort_order
from route
