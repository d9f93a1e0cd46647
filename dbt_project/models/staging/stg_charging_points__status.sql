with status as (
    select * from {{ source('bronze', 'charging_points__status') }}
),

latest as (
    select * from status
    qualify {{ is_latest_revision(['event_date', 'charging_point_id', 'status_time']) }}
)

select
    charging_point_id,
    operating_status,
    occupancy_status,
    status_time,
    plug_type_2_status,
    plug_combo_ccs_status,
    plug_chademo_status,
    plug_ef_status,
    event_date,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
