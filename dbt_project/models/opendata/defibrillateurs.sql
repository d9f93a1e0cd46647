{#- Addresses of images that the standard accepts. -#}
{%- set picture = '^https?://(?:[a-z0-9\\-]+\\.)+[a-z]{2,6}(?:/[^/#?]+)+\\.(?:jpg|jpeg|gif|png)$' -%}
-- Without an operator who exists, and who can be called, a declaration is not one of the standard.
with device as (
    select * from {{ ref('defibrillator') }}
    where
        record_state is distinct from 'to_remove'
        and is_operator_siren_valid
        and not is_serial_number_taken
        and is_free_access is not null
        and phone is not null
        and operator_phone is not null
        and operator_email is not null
),

commune as (
    select * from {{ ref('commune') }}
)

select
    device.name as nom,
    device.latitude as lat_coor1,
    device.longitude as long_coor1,
    device.house_number as adr_num,
    device.street_name as adr_voie,
    device.post_code as com_cp,
    device.insee_code as com_insee,
    commune.commune_name as com_nom,
    case device.environment when 'indoors' then 'Intérieur' when 'outdoors' then 'Extérieur' end as acc,
    device.is_free_access as acc_lib,
    device.has_security_post as acc_pcsec,
    device.has_reception as acc_acc,
    device.is_mobile as dae_mobile,
    device.floor as acc_etg,
    device.access_comment as acc_complt,
    if(regexp_full_match(device.photo_url, '{{ picture }}'), device.photo_url, null) as photo1,
    if(regexp_full_match(device.second_photo_url, '{{ picture }}'), device.second_photo_url, null) as photo2,
    coalesce(device.available_days, 'non renseigné') as disp_j,
    coalesce(device.available_hours, 'non renseigné') as disp_h,
    device.availability_comment as disp_complt,
    device.phone as tel1,
    device.second_phone as tel2,
    device.email as site_email,
    device.installed_date as date_instal,
    case device.record_state when 'active' then 'Actif' when 'unidentified' then 'Non identifié' end as etat,
    case device.working_state
        when 'working' then 'En fonctionnement'
        when 'out_of_order' then 'Hors service'
        when 'removed' then 'Supprimé définitivement'
        when 'absent' then 'Absent momentanément'
        when 'unknown' then 'Inconnu'
    end as etat_fonct,
    if(device.is_maker_siren_valid, device.maker_siren, null) as fab_siren,
    device.maker_name as fab_rais,
    if(device.is_maintainer_siren_valid, device.maintainer_siren, null) as mnt_siren,
    device.maintainer_name as mnt_rais,
    device.model as modele,
    device.serial_number as num_serie,
    device.european_udi as id_euro,
    device.has_child_pads as lc_ped,
    device.child_pads_expiry_date as dtpr_lcped,
    device.adult_pads_expiry_date as dtpr_lcad,
    device.battery_expiry_date as dtpr_bat,
    device.maintenance_frequency as freq_mnt,
    device.is_remotely_monitored as dispsurv,
    device.last_maintenance_date as dermnt,
    device.operator_siren as expt_siren,
    if(device.is_operator_siret_valid, device.operator_siret, null) as expt_siret,
    device.operator_name as expt_rais,
    device.operator_phone as expt_tel1,
    device.operator_second_phone as expt_tel2,
    device.operator_email as expt_email
from device
inner join commune on device.insee_code = commune.insee_code
