with act as (
    select * from {{ source('bronze', 'deliberations__act') }}
),

latest as (
    select * from act
    qualify {{ is_latest_revision(['authority_siret', 'deliberation_id']) }}
)

select
    authority_name,
    authority_siret,
    deliberation_id,
    session_date,
    matter_code,
    matter_label,
    subject,
    budget_year,
    budget_name,
    prefecture_id,
    prefecture_date,
    seat_count,
    voter_count,
    for_count,
    against_count,
    abstention_count,
    vote_result,
    document_url,
    source_file,
    source_sha256,
    source_time,
    source_row
from latest
