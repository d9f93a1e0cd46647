-- The last state known, of the points that the static inventory publishes: states of the past are not the standard's.
-- Of a plug that the point does not have, the standard wants nothing said.
with status as (
    select * from {{ ref('charging_status') }}
    where end_time is null
),

point as (
    select * from {{ ref('charging_point') }}
    where is_in_territory and longitude is not null and latitude is not null
),

known as (
    select
        point.national_point_id,
        status.operating_status,
        status.occupancy_status,
        status.status_time,
        if(point.has_plug_type_2, coalesce(status.plug_type_2_status, 'unknown'), null) as plug_type_2,
        if(point.has_plug_combo_ccs, coalesce(status.plug_combo_ccs_status, 'unknown'), null) as plug_combo_ccs,
        if(point.has_plug_chademo, coalesce(status.plug_chademo_status, 'unknown'), null) as plug_chademo,
        if(point.has_plug_ef, coalesce(status.plug_ef_status, 'unknown'), null) as plug_ef
    from status
    inner join point on status.charging_point_id = point.national_point_id
)

select
    national_point_id as id_pdc_itinerance,
    case operating_status
        when 'in_service' then 'en_service'
        when 'out_of_service' then 'hors_service'
        when 'unknown' then 'inconnu'
    end as etat_pdc,
    case occupancy_status
        when 'free' then 'libre'
        when 'occupied' then 'occupe'
        when 'reserved' then 'reserve'
        when 'unknown' then 'inconnu'
    end as occupation_pdc,
    status_time as horodatage,
    case plug_type_2
        when 'working' then 'fonctionnel'
        when 'out_of_service' then 'hors_service'
        when 'unknown' then 'inconnu'
    end as etat_prise_type_2,
    case plug_combo_ccs
        when 'working' then 'fonctionnel'
        when 'out_of_service' then 'hors_service'
        when 'unknown' then 'inconnu'
    end as etat_prise_type_combo_ccs,
    case plug_chademo
        when 'working' then 'fonctionnel'
        when 'out_of_service' then 'hors_service'
        when 'unknown' then 'inconnu'
    end as etat_prise_type_chademo,
    case plug_ef
        when 'working' then 'fonctionnel'
        when 'out_of_service' then 'hors_service'
        when 'unknown' then 'inconnu'
    end as etat_prise_type_ef
from known
