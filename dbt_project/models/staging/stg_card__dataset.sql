with card as (
    select * from {{ source('bronze', 'card__dataset') }}
)

select
    dataset_id,
    title,
    description,
    theme,
    keywords,
    frequency_code,
    owner,
    source_ids,
    file_count,
    file_formats,
    page_url,
    publisher_name,
    publisher_siren
from card
