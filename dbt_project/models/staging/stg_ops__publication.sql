with publication as (
    select * from {{ source('ops', 'ops__publication') }}
)

select
    dataset as dataset_id,
    version as version_number,
    file as published_file,
    modified_time
from publication
