with event as (
    select * from {{ ref('stg_events__event') }}
),

commune as (
    select
        *,
        replace(strip_accents(lower(commune_name)), '-', ' ') as plain_name
    from {{ ref('commune') }}
),

-- disabilities provided for: an object of codes, or the codes as text
accessible as (
    select
        *,
        case
            when json_valid(accessibility) and json_type(accessibility) = 'OBJECT'
                then nullif(
                    array_to_string(
                        [
                            code
                            for code in json_keys(accessibility)
                            if json_extract_string(accessibility, code) = 'true'
                        ],
                        ';'
                    ),
                    ''
                )
            else accessibility
        end as accessibility_codes
    from event
),

-- an event may be in several agendas: it is as the last of them tells it, and in all that still have it
standing as (
    select
        *,
        string_agg(agenda_id, ';' order by agenda_id) over (partition by event_id) as agenda_ids
    from accessible
    where not is_removed
    qualify row_number() over (partition by event_id order by updated_time desc, agenda_id desc) = 1
),

timing as (
    select
        event_id,
        count(*) as timing_count,
        min(start_time) as first_start_time,
        max(end_time) as last_end_time
    from {{ ref('event_timing') }}
    group by event_id
)

select
    standing.event_id,
    standing.agenda_id,
    standing.agenda_ids,
    standing.agenda_title,
    standing.title,
    standing.description,
    trim(
        regexp_replace(
            replace(
                replace(regexp_replace(standing.long_description, '<[^>]+>', ' ', 'g'), '&nbsp;', ' '), '&amp;', '&'
            ),
            ' +', ' ', 'g'
        )
    ) as long_description,
    standing.conditions,
    case
        when json_valid(standing.keywords) and json_type(standing.keywords) = 'ARRAY'
            then array_to_string(from_json(standing.keywords, '["VARCHAR"]'), ';')
        else standing.keywords
    end as keywords,
    case standing.status_code
        when 1 then 'scheduled'
        when 2 then 'rescheduled'
        when 3 then 'moved_online'
        when 4 then 'postponed'
        when 5 then 'full'
        when 6 then 'cancelled'
    end as status,
    case standing.attendance_code
        when 1 then 'on_site'
        when 2 then 'online'
        when 3 then 'mixed'
    end as attendance_mode,
    timing.first_start_time,
    timing.last_end_time,
    coalesce(timing.timing_count, 0) as timing_count,
    standing.youngest_age,
    standing.oldest_age,
    standing.accessibility_codes as accessibility,
    standing.online_url,
    standing.page_url,
    coalesce(standing.image_base, '') || standing.image_file as image_url,
    standing.venue_id,
    standing.venue_name,
    standing.address,
    standing.postcode,
    coalesce(standing.insee_code, commune.insee_code) as insee_code,
    coalesce(given_commune.commune_name, commune.commune_name, standing.city) as commune_name,
    standing.longitude,
    standing.latitude,
    standing.created_time,
    standing.updated_time,
    standing.source_file,
    standing.source_sha256,
    standing.source_row
from standing
left join timing on standing.event_id = timing.event_id
left join commune as given_commune on standing.insee_code = given_commune.insee_code
left join commune on replace(strip_accents(lower(standing.city)), '-', ' ') = commune.plain_name
