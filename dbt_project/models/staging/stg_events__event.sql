with event as (
    select * from {{ source('bronze', 'events__event') }}
),

-- the last word is the organiser's last change, not the last file: answers may come again
latest as (
    select * from event
    qualify
        row_number() over (
            partition by agenda_id, event_id
            order by updated_time desc, source_time desc, source_file desc, delivered_time desc, source_row desc
        ) = 1
)

select
    agenda_id,
    event_id,
    updated_time,
    created_time,
    coalesce(is_removed, false) as is_removed,
    slug,
    agenda_title,
    title,
    description,
    long_description,
    conditions,
    keywords,
    image_base,
    image_file,
    accessibility,
    timings,
    -- a number, or an object that holds it
    coalesce(try_cast(attendance_mode as integer), try_cast(attendance_mode ->> '$.id' as integer)) as attendance_code,
    coalesce(try_cast(status as integer), try_cast(status ->> '$.id' as integer)) as status_code,
    online_url,
    page_url,
    youngest_age,
    oldest_age,
    venue_id,
    venue_name,
    address,
    postcode,
    city,
    insee_code,
    -- latitude comes first
    coalesce(longitude, try_cast(coordinates ->> '$[1]' as double)) as longitude,
    coalesce(latitude, try_cast(coordinates ->> '$[0]' as double)) as latitude,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
