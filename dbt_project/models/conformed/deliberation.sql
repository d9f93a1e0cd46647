with act as (
    select * from {{ ref('stg_deliberations__act') }}
)

select
    authority_siret,
    authority_name,
    deliberation_id,
    session_date,
    matter_code,
    matter_label,
    regexp_replace(subject, '\s+', ' ', 'g') as subject,
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
    coalesce(
        for_count + against_count + abstention_count = voter_count
        and voter_count <= seat_count
        and (vote_result <> 'unanimous' or against_count = 0),
        vote_result in ('postponed', 'noted')
    ) as is_vote_consistent,
    document_url,
    source_file,
    source_sha256,
    source_row
from act
