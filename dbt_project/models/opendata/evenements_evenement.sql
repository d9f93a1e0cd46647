-- Events in the territory, and those held online by its agendas.
with event as (
    select * from {{ ref('event') }}
    where title is not null
),

commune as (
    select * from {{ ref('commune') }}
),

located as (
    select
        event.*,
        commune.commune_name as own_commune_name,
        commune.insee_code is not null as is_in_territory,
        -- two sheets of one place: same name, same commune
        min(event.venue_id) over (
            partition by
                commune.insee_code, regexp_replace(strip_accents(lower(event.venue_name)), '[^a-z0-9]+', '', 'g')
        ) as place_id
    from event
    left join commune on event.insee_code = commune.insee_code
    where commune.insee_code is not null or (event.attendance_mode = 'online' and event.insee_code is null)
),

provision as (
    select distinct
        event_id,
        trim(unnest(string_split(accessibility, ';'))) as code
    from event
),

provided as (
    select
        event_id,
        string_agg(
            case code
                when 'hi' then 'auditif'
                when 'ii' then 'intellectuel'
                when 'mi' then 'moteur'
                when 'pi' then 'psychique'
                when 'vi' then 'visuel'
            end,
            ';'
            order by code
        ) as disabilities
    from provision
    group by event_id
)

select
    located.event_id as evenement_id,
    {{ without_contacts('located.title') }} as titre,
    {{ without_contacts('located.description') }} as description,
    {{ without_contacts('located.long_description') }} as description_longue,
    located.keywords as mots_cles,
    case located.status
        when 'scheduled' then 'programmé'
        when 'rescheduled' then 'reprogrammé'
        when 'moved_online' then 'passé en ligne'
        when 'postponed' then 'reporté'
        when 'full' then 'complet'
        when 'cancelled' then 'annulé'
    end as statut,
    case located.attendance_mode
        when 'on_site' then 'sur place'
        when 'online' then 'en ligne'
        when 'mixed' then 'mixte'
    end as mode,
    located.first_start_time as debut,
    case when located.last_end_time > located.first_start_time then located.last_end_time end as fin,
    located.timing_count::integer as nombre_seances,
    {{ without_contacts('located.conditions') }} as conditions,
    located.youngest_age::integer as age_min,
    located.oldest_age::integer as age_max,
    provided.disabilities as accessibilite,
    located.page_url,
    located.agenda_title as agenda,
    case when located.is_in_territory then located.place_id end as lieu_id,
    case when located.is_in_territory then located.venue_name end as lieu_nom,
    case when located.is_in_territory then located.address end as adresse,
    case
        when located.is_in_territory and regexp_full_match(located.postcode, '\d{5}') then located.postcode
    end as code_postal,
    case when located.is_in_territory then located.insee_code end as code_insee,
    located.own_commune_name as commune_nom,
    case when located.is_in_territory and located.latitude is not null then located.longitude end as longitude,
    case when located.is_in_territory and located.longitude is not null then located.latitude end as latitude,
    located.updated_time as date_maj
from located
left join provided on located.event_id = provided.event_id
