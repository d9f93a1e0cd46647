-- A list may number its hotspots by their hardware address, which is not published: its hash stands for it.
with hotspot as (
    select
        *,
        regexp_matches(coalesce(producer_ref, ''), '^([0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}$') as is_hardware_ref
    from {{ ref('equipment') }}
    where category = 'public_wifi'
),

commune as (
    select * from {{ ref('commune') }}
)

select
    if(
        hotspot.is_hardware_ref,
        concat(hotspot.producer_siren, ':public_wifi:#', left(sha256(lower(hotspot.producer_ref)), 12)),
        hotspot.equipment_id
    ) as id_wifi,
    hotspot.name as nom,
    hotspot.attributes ->> '$.ssid' as ssid,
    hotspot.address as adresse,
    hotspot.insee_code as code_insee,
    commune.commune_name as commune_nom,
    hotspot.longitude,
    hotspot.latitude,
    hotspot.installed_date as date_mise_en_service,
    if(owner.siren is null, 'Agglomération', 'Commune') as proprietaire_type,
    hotspot.producer_siren as proprietaire_siren,
    if(hotspot.is_hardware_ref, null, hotspot.producer_ref) as reference_proprietaire,
    hotspot.listed_date as date_maj
from hotspot
inner join commune on hotspot.insee_code = commune.insee_code
left join commune as owner on hotspot.producer_siren = owner.siren
