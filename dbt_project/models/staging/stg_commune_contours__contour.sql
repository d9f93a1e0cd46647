with contour as (
    select * from {{ source('bronze', 'commune_contours__contour') }}
),

latest as (
    select * from contour
    where {{ is_latest_snapshot(source('bronze', 'commune_contours__contour')) }}
    qualify {{ is_latest_revision(['insee_code']) }}
)

select
    insee_code,
    commune_name,
    geometry_wkt,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
