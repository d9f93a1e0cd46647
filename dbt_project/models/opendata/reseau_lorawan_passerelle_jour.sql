with lorawan_gateway_day as (
    select * from {{ ref('lorawan_gateway_day') }}
),

thing as (
    select * from {{ ref('thing') }}
)

select
    'PAS-' || left(sha256(thing.native_id), 10) as passerelle_id,
    lorawan_gateway_day.business_date as date,
    lorawan_gateway_day.received_packet_count::integer as paquets_recus,
    lorawan_gateway_day.valid_packet_count::integer as paquets_valides,
    lorawan_gateway_day.emitted_packet_count::integer as paquets_emis,
    round(lorawan_gateway_day.packet_error_share, 4) as part_erreur,
    round(lorawan_gateway_day.available_share, 4) as disponibilite,
    if(lorawan_gateway_day.available_share >= 0.95, 'disponible', 'interrompue') as etat
from lorawan_gateway_day
inner join thing on lorawan_gateway_day.thing_id = thing.thing_id
