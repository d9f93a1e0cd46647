-- Sites of the territory and of its département: residents use both.
with site as (
    select * from {{ ref('carpool_site') }}
    where is_in_territory or insee_code like '{{ var("department_code") }}%'
),

-- Producers number their sites commune by commune: a local id borne by two sites identifies neither.
identified as (
    select
        *,
        case
            when local_id is not null and count(*) over (partition by local_id) = 1 then local_id else site_id
        end as published_id
    from site
)

select
    published_id as id_local,
    name as nom_lieu,
    address as ad_lieu,
    commune_name as com_lieu,
    insee_code as insee,
    site_type as type,
    updated_date as date_maj,
    is_open as ouvert,
    case when regexp_full_match(producer_siren, '\d{9}') then producer_siren end as source,
    longitude as Xlong,  -- noqa: CP02
    latitude as Ylat,  -- noqa: CP02
    space_count::integer as nbre_pl,
    accessible_space_count::integer as nbre_pmr,
    max_stay_min::integer as duree,
    opening_hours as horaires,
    owner_name as proprio,
    is_lit as lumiere,
    site_comment as comm
from identified
