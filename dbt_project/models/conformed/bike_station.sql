-- The declared commune is the register's: the feed gives a postal code at best.
with station as (
    select * from {{ ref('stg_bike_stations__station_information') }}
),

asset as (
    select * from {{ ref('stg_asset_register__asset') }}
    where source_id = 'bike_stations'
),

contour as (
    select * from {{ ref('commune_contour') }}
),

commune as (
    select * from {{ ref('commune') }}
),

registered as (
    select
        station.*,
        asset.insee_code
    from station
    left join asset on station.station_id = asset.native_id
),

located as (
    {{ with_commune('registered') }}
)

select
    located.station_id,
    'bike_stations:' || located.station_id as thing_id,
    located.station_name,
    located.station_code,
    located.longitude,
    located.latitude,
    located.insee_code,
    located.insee_code_quality,
    commune.commune_name,
    located.address,
    located.postal_code,
    located.capacity,
    coalesce(located.is_virtual, false) as is_virtual,
    located.feed_time as told_time,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join commune on located.insee_code = commune.insee_code
