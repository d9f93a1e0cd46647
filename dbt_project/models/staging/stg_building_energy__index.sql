with register as (
    select * from {{ source('bronze', 'building_energy__index') }}
),

latest as (
    select * from register
    qualify
        {{ is_latest_revision(
            ['event_date', 'prm', 'direction', 'calendar', 'quantity', 'time_class', 'reading_time']
        ) }}
)

-- A series is a quantity in a tariff class of the distributor's calendar, drawn from the grid; what is fed in, and the
-- supplier's calendar, are other series.
select
    prm,
    reading_time,
    direction,
    quantity,
    calendar,
    time_class,
    time_class_label,
    case when direction = 'CONS' then '' else direction || '_' end
    || quantity || '_' || time_class
    || case when coalesce(calendar, 'D') = 'D' then '' else '_' || calendar end as series_code,
    unit,
    value,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
