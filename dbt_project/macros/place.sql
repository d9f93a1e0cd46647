{# In which commune a place is.
   Belongs here: the one rule that every conformed model with coordinates follows. Does not: reading coordinates. #}

{# Metres from the declared commune within which it holds. National contours come generalised to 5, 50 or 100 m, and a
   phone held in a street is 5 to 50 m off: nearer than their sum, coordinates do not say on which side a place is. #}
{% macro border_m() %}150{% endmacro %}

{# Rows of `relation` (longitude, latitude, and in insee_code what is declared) with insee_code settled and
   insee_code_quality added: located, declared or conflict. Reads a CTE `contour` of commune_contour. #}
{% macro with_commune(relation) %}
    select
        judged.* exclude (insee_code, place_code, is_near),
        if(place_code is null or is_near, insee_code, place_code) as insee_code,
        case
            when insee_code is null and place_code is null then null
            when place_code is null or is_near then 'declared'
            when insee_code <> place_code then 'conflict'
            else 'located'
        end as insee_code_quality
    from (
        select
            told.*,
            place.insee_code as place_code,
            -- metres on a plane that touches the earth at the place; worked out only where the two differ
            coalesce(
                st_distance(
                    st_affine(
                        st_geomfromtext(own.geometry_wkt), 111320 * cos(radians(told.latitude)), 0, 0, 111320, 0, 0
                    ),
                    st_point(111320 * cos(radians(told.latitude)) * told.longitude, 111320 * told.latitude)
                ) <= {{ border_m() }},
                false
            ) as is_near
        from {{ relation }} as told
        left join (
            -- each place once, and in one commune: contours may overlap
            select
                position.longitude,
                position.latitude,
                min(area.insee_code) as insee_code
            from (select distinct longitude, latitude from {{ relation }}) as position
            inner join (select insee_code, st_geomfromtext(geometry_wkt) as geometry from contour) as area
                on st_intersects(area.geometry, st_point(position.longitude, position.latitude))
            group by position.longitude, position.latitude
        ) as place on told.longitude = place.longitude and told.latitude = place.latitude
        left join contour as own on told.insee_code = own.insee_code and own.insee_code <> place.insee_code
    ) as judged
{%- endmacro %}
