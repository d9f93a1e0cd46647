-- Yearly indicators of each water service. A service of several communes has the ratio of its sums, never a mean of
-- ratios; a sum that lacks a commune's figure is unknown. 365 days, leap years too, as SISPEA counts.
with report as (
    select * from {{ ref('water_delegate_year') }}
),

perimeter as (
    select * from {{ ref('water_service_perimeter') }}
    where service_state = 'en_service'
),

commune as (
    select * from {{ ref('commune') }}
),

indicator as (
    select * from {{ ref('water_indicator') }}
),

-- Perimeters are drawn by hand and overlap: the smallest one around a commune's centre is that of its service.
service_commune as (
    select
        commune.insee_code,
        arg_min(perimeter.sispea_id, st_area(st_geomfromtext(perimeter.geometry_wkt))) as service_id
    from commune
    inner join perimeter
    on st_intersects(st_geomfromtext(perimeter.geometry_wkt), st_point(commune.longitude, commune.latitude))
    group by commune.insee_code
),

reported as (
    select
        report.*,
        coalesce(service_commune.service_id, report.insee_code) as service_id,
        report.produced_m3 + report.imported_m3 as supplied_m3,
        report.produced_m3 + report.imported_m3 - report.exported_m3 as distributed_m3,
        report.metered_domestic_m3 + report.metered_other_m3 as metered_m3,
        365 * report.network_km as km_days
    from report
    left join service_commune on report.insee_code = service_commune.insee_code
),

renewed as (
    select
        *,
        case
            when count(renewed_km) over last_five = 5 then sum(renewed_km) over last_five
        end as renewed_5_years_km
    from reported
    window last_five as (partition by insee_code order by year range between 4 preceding and current row)
),

-- Both terms of every ratio, per commune; inhabitants are divided by nothing, that is by one.
term as (
    select
        service_id,
        year,
        closing_date,
        unnest([
            { 'code': 'D101.0', 'upper': resident_count::double, 'lower': 1.0 },
            { 'code': 'P104.3', 'upper': authorised_m3 + exported_m3, 'lower': supplied_m3 },
            { 'code': 'P105.3', 'upper': distributed_m3 - metered_m3, 'lower': km_days },
            { 'code': 'P106.3', 'upper': distributed_m3 - authorised_m3, 'lower': km_days },
            { 'code': 'P107.2', 'upper': renewed_5_years_km, 'lower': network_km },
            { 'code': 'P155.1', 'upper': complaint_count::double, 'lower': subscriber_count::double }
        ]) as told,
        declared_efficiency_pct
    from renewed
),

flat as (
    select
        term.service_id,
        term.year,
        term.closing_date,
        term.told.code as indicator_code,
        term.told.upper as upper_term,
        term.told.lower as lower_term,
        case when term.told.code = 'P104.3' then term.declared_efficiency_pct end as declared_value
    from term
),

ratio as (
    select
        service_id,
        year,
        indicator_code,
        max(closing_date) as closing_date,
        case when count(upper_term) = count(*) then sum(upper_term) end as numerator,
        case
            when indicator_code = 'D101.0' then 1
            when count(lower_term) = count(*) then sum(lower_term)
        end as denominator,
        case when count(*) = 1 then max(declared_value) end as declared_value
    from flat
    group by service_id, year, indicator_code
),

served as (
    select
        service_id,
        case when count(*) = 1 then min(insee_code) end as insee_code
    from service_commune
    group by service_id
),

service as (
    select
        perimeter.sispea_id as service_id,
        perimeter.siren,
        served.insee_code
    from perimeter
    left join served on perimeter.sispea_id = served.service_id
    union distinct
    select
        reported.service_id,
        null as siren,
        reported.insee_code
    from reported
    where reported.service_id = reported.insee_code
),

delegated as (
    select distinct service_id from reported
),

reported_year as (
    select distinct year from reported
),

-- Every indicator of every service and year that anything is known of, with a value or with why not.
asked as (
    select
        service.service_id,
        service.siren,
        service.insee_code,
        delegated.service_id is not null as is_delegated,
        reported_year.year,
        indicator.indicator_code,
        indicator.factor,
        indicator.missing_input
    from service
    cross join reported_year
    cross join indicator
    left join delegated on service.service_id = delegated.service_id
)

select
    asked.service_id,
    asked.siren,
    asked.insee_code,
    commune.commune_name,
    asked.is_delegated,
    asked.year::integer as year,
    asked.indicator_code,
    ratio.numerator,
    ratio.denominator,
    asked.factor * ratio.numerator / nullif(ratio.denominator, 0) as value,
    ratio.declared_value,
    ratio.closing_date,
    case
        when ratio.numerator / nullif(ratio.denominator, 0) is not null then null
        when asked.missing_input is not null then 'no_source'
        when ratio.service_id is null then 'no_report'
        when asked.indicator_code = 'P107.2' and ratio.denominator > 0 then 'too_few_years'
        else 'no_figure'
    end as missing_reason
from asked
left join ratio
on
    asked.service_id = ratio.service_id
    and asked.year = ratio.year
    and asked.indicator_code = ratio.indicator_code
left join commune on asked.insee_code = commune.insee_code
