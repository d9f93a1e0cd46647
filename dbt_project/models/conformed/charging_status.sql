with status as (
    select * from {{ ref('stg_charging_points__status') }}
),

charging_point as (
    select * from {{ ref('charging_point') }}
),

followed as (
    select
        *,
        lead(status_time) over (partition by charging_point_id order by status_time) as end_time
    from status
)

select
    followed.charging_point_id,
    charging_point.station_id,
    followed.status_time,
    followed.end_time,
    followed.operating_status,
    followed.occupancy_status,
    followed.plug_type_2_status,
    followed.plug_combo_ccs_status,
    followed.plug_chademo_status,
    followed.plug_ef_status,
    charging_point.charging_point_id is not null as is_known_point,
    followed.source_file,
    followed.source_row
from followed
left join charging_point on followed.charging_point_id = charging_point.charging_point_id
