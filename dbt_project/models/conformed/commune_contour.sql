with contour as (
    select * from {{ ref('stg_commune_contours__contour') }}
),

drawn as (
    select
        *,
        st_geomfromtext(geometry_wkt) as geometry
    from contour
)

select
    insee_code,
    commune_name,
    geometry_wkt,
    st_xmin(geometry) as west_deg,
    st_ymin(geometry) as south_deg,
    st_xmax(geometry) as east_deg,
    st_ymax(geometry) as north_deg,
    source_file,
    source_sha256,
    source_row
from drawn
