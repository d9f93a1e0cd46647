with event as (
    select * from {{ ref('stg_events__event') }}
),

contour as (
    select * from {{ ref('commune_contour') }}
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
),

named as (
    select
        standing.* exclude (insee_code),
        coalesce(standing.insee_code, commune.insee_code) as insee_code
    from standing
    left join commune on replace(strip_accents(lower(standing.city)), '-', ' ') = commune.plain_name
),

located as (
    {{ with_commune('named') }}
)

select
    located.event_id,
    located.agenda_id,
    located.agenda_ids,
    located.agenda_title,
    located.title,
    located.description,
    trim(
        regexp_replace(
            replace(
                replace(regexp_replace(located.long_description, '<[^>]+>', ' ', 'g'), '&nbsp;', ' '), '&amp;', '&'
            ),
            ' +', ' ', 'g'
        )
    ) as long_description,
    located.conditions,
    case
        when json_valid(located.keywords) and json_type(located.keywords) = 'ARRAY'
            then array_to_string(from_json(located.keywords, '["VARCHAR"]'), ';')
        else located.keywords
    end as keywords,
    case located.status_code
        when 1 then 'scheduled'
        when 2 then 'rescheduled'
        when 3 then 'moved_online'
        when 4 then 'postponed'
        when 5 then 'full'
        when 6 then 'cancelled'
    end as status,
    case located.attendance_code
        when 1 then 'on_site'
        when 2 then 'online'
        when 3 then 'mixed'
    end as attendance_mode,
    timing.first_start_time,
    timing.last_end_time,
    coalesce(timing.timing_count, 0) as timing_count,
    located.youngest_age,
    located.oldest_age,
    located.accessibility_codes as accessibility,
    located.online_url,
    located.page_url,
    coalesce(located.image_base, '') || located.image_file as image_url,
    located.venue_id,
    located.venue_name,
    located.address,
    located.postcode,
    located.insee_code,
    located.insee_code_quality,
    coalesce(commune.commune_name, located.city) as commune_name,
    located.longitude,
    located.latitude,
    located.created_time,
    located.updated_time,
    located.source_file,
    located.source_sha256,
    located.source_row
from located
left join timing on located.event_id = timing.event_id
left join commune on located.insee_code = commune.insee_code
