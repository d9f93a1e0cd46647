with receipt as (
    select * from {{ source('ops', 'ops__ingest_file') }}
)

select
    source as source_id,
    bronze_table,
    file as source_file,
    sha256 as source_sha256,
    bytes as file_bytes,
    rows_read,
    rows_loaded,
    rows_duplicate,
    rows_quarantined,
    status,
    coalesce(file_time, ingested_time) as source_time,
    list_min(event_dates) as first_event_date,
    list_max(event_dates) as last_event_date,
    ingested_time
from receipt
