with card as (
    select * from {{ ref('stg_card__dataset') }}
),

receipt as (
    select * from {{ ref('stg_ops__ingest_file') }}
    where status = 'loaded'
),

publication as (
    select * from {{ ref('stg_ops__publication') }}
),

received as (
    select
        source_id,
        -- some files are named after the days ahead that they plan
        least(max({{ business_date('source_time') }}), {{ today() }}) as last_received_date,
        min(coalesce(first_event_date, {{ business_date('source_time') }})) as first_data_date,
        max(coalesce(last_event_date, {{ business_date('source_time') }})) as last_data_date
    from receipt
    group by source_id
),

-- a dataset about the platform itself is made from all that it received
made_from as (
    select
        card.dataset_id,
        received.last_received_date,
        received.first_data_date,
        received.last_data_date
    from card
    cross join received
    where card.source_ids = '' or list_contains(string_split(card.source_ids, ';'), received.source_id)
),

spanned as (
    select
        dataset_id,
        max(last_received_date) as last_received_date,
        min(first_data_date) as first_data_date,
        max(last_data_date) as last_data_date
    from made_from
    group by dataset_id
),

issued as (
    select
        dataset_id,
        min({{ business_date('modified_time') }}) as issued_date
    from publication
    group by dataset_id
)

select
    card.dataset_id,
    card.title,
    card.description,
    card.theme,
    card.keywords,
    card.frequency_code,
    card.owner,
    card.source_ids,
    card.file_count,
    card.file_formats,
    card.page_url,
    card.publisher_name,
    card.publisher_siren,
    -- what was never published is about to be
    coalesce(issued.issued_date, {{ today() }}) as issued_date,
    spanned.last_received_date,
    spanned.first_data_date,
    spanned.last_data_date
from card
left join spanned on card.dataset_id = spanned.dataset_id
left join issued on card.dataset_id = issued.dataset_id
