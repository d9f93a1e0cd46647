with fountain as (
    select * from {{ ref('drinking_fountain') }}
),

commune as (
    select * from {{ ref('commune') }}
)

select
    fountain.fountain_id as id,
    case fountain.fountain_type
        when 'street_fountain' then 'borne fontaine'
        when 'tap' then 'robinet'
        when 'wallace_fountain' then 'fontaine type Wallace'
        when 'other' then 'autre'
    end as type_fontaine,
    fountain.model as modele,
    fountain.operator_name as gestionnaire,
    if(fountain.is_operator_siren_valid, fountain.operator_siren, null) as siren_gestionnaire,
    fountain.latitude,
    fountain.longitude,
    fountain.address as adresse,
    fountain.insee_code as code_commune_insee,
    fountain.place_comment as precision_geo,
    case fountain.access_condition
        when 'none' then 'aucune'
        when 'opening_hours' then 'établissement soumis à horaires'
        when 'ticket' then 'établissement nécessitant l''achat d''un billet'
        when 'other' then 'autre'
    end as conditions_acces,
    fountain.installed_date as date_installation,
    fountain.out_of_service_date as indisponible,
    fountain.is_accessible as accessible_pmr,
    fountain.can_fill_bottle as remplissage_contenant_possible
from fountain
inner join commune on fountain.insee_code = commune.insee_code
