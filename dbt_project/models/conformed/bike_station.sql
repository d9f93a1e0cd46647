-- The commune is the register's: the feed gives a postal code at best.
with station as (
    select * from {{ ref('stg_bike_stations__station_information') }}
),

asset as (
    select * from {{ ref('stg_asset_register__asset') }}
    where source_id = 'bike_stations'
),

commune as (
    select * from {{ ref('commune') }}
)

select
    station.station_id,
    'bike_stations:' || station.station_id as thing_id,
    station.station_name,
    station.station_code,
    station.longitude,
    station.latitude,
    asset.insee_code,
    commune.commune_name,
    station.address,
    station.postal_code,
    station.capacity,
    coalesce(station.is_virtual, false) as is_virtual,
    station.feed_time as told_time,
    station.source_file,
    station.source_sha256,
    station.source_row
from station
left join asset on station.station_id = asset.native_id
left join commune on asset.insee_code = commune.insee_code
