with collection_round as (
    select * from {{ ref('stg_waste_collections__round') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    collection_round.round_id,
    collection_round.collection_date,
    collection_round.truck_id,
    collection_round.sector_name,
    commune.insee_code,
    collection_round.waste_stream,
    collection_round.tonnage_t,
    collection_round.distance_km,
    collection_round.round_comment,
    collection_round.source_file,
    collection_round.source_row
from collection_round
-- a sector is a commune, sometimes followed by a district: « Nevers - Banlay »
left join commune on split_part(collection_round.sector_name, ' - ', 1) = commune.commune_name
