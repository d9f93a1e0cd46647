{{ config(
    delta_strategy='replace_by_day',
    day_column='validation_date',
    meta={'stake': {'sources': ['transit_validations'], 'margin_days': 0}}
) }}

with validation as (
    select * from {{ ref('stg_transit_validations__validation') }}
    where {{ at_stake('event_date', 'transit_validation') }}
)

select
    validation_id,
    validation_time,
    event_date as validation_date,
    {{ business_date('validation_time') }} as business_date,
    card_id,
    card_id is null as is_anonymous,
    fare_id,
    fare_name,
    route_id,
    case direction_code
        when 'A' then '0'
        when 'R' then '1'
    end as direction_id,
    stop_id,
    vehicle_id,
    device_id,
    is_accepted,
    is_transfer,
    source_file,
    source_sha256,
    source_row
from validation
