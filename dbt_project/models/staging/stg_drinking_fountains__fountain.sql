with fountain as (
    select * from {{ source('bronze', 'drinking_fountains__fountain') }}
),

latest as (
    select * from fountain
    where {{ is_latest_snapshot(source('bronze', 'drinking_fountains__fountain')) }}
    qualify {{ is_latest_revision(['fountain_id']) }}
)

select
    fountain_id,
    fountain_type,
    model,
    operator_name,
    operator_siren,
    address,
    place_comment,
    insee_code,
    longitude,
    latitude,
    access_condition,
    installed_date,
    out_of_service_date,
    is_accessible,
    can_fill_bottle,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
