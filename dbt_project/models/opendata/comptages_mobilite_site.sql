with channel as (
    select * from {{ ref('comptages_mobilite_channel') }}
),

thing as (
    select * from {{ ref('thing') }}
    where source_id = 'traffic_counts'
),

location as (
    select * from {{ ref('location') }}
),

published as (
    select distinct site_id from channel
),

-- The standard writes « départementale » with an E that the register does not.
road as (
    select
        thing_id,
        native_id,
        coalesce(name, native_id) as name,
        replace(use, 'DEPARTMENTAL', 'DEPARTEMENTAL') as use
    from thing
)

select
    road.native_id as site_id,
    null::varchar as parent_site_id,
    road.name as site_name,
    location.insee_code as fr_insee_code,
    location.longitude as xlong,
    location.latitude as ylat,
    null::varchar as external_ids,
    case
        when road.use in (
            'CYCLE TRACK', 'CYCLE LANE', 'CONTRAFLOW TRACK', 'CONTRAFLOW LANE', 'CONTRAFLOW CYCLING NOT MATERIALIZED',
            'GREENWAY', 'BIKE ROAD', 'SHARED BUSWAY', 'RAMP', 'GUTTER',
            'MIXED PEDESTRIAN/BICYCLE DEVELOPMENT NOT INCLUDING THE GREENWAY', 'ROAD WITH BANALIZED CENTRAL TRACK',
            'COATED SHOULDER OUTSIDE THE RBCT', 'OTHER SPECIFIC SITE', 'OTHER SHARED USE ROUTE', 'HIGHWAY',
            'EUROPEAN ROAD', 'NATIONAL ROAD', 'DEPARTEMENTAL ROAD', 'METROPOLITAN ROAD', 'MUNICIPAL ROAD', 'FOOTPATH',
            'DEAD END', 'FOREST ROADS', 'SIDE ROADS', 'TRUNK TRACK', 'PRIVATE ROAD', 'OTHER'
        ) then road.use
    end as infrastructure_type
from published
inner join road on published.site_id = road.native_id
inner join location on road.thing_id = location.thing_id
