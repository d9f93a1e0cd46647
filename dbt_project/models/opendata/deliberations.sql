-- Adopted acts only. Votes that do not add up are not published: the act is, without them.
with deliberation as (
    select * from {{ ref('deliberation') }}
    where coalesce(vote_result, '') not in ('postponed', 'rejected')
),

matter as (
    select * from {{ ref('act_matter') }}
),

checked as (
    select
        *,
        is_vote_consistent and voter_count is not null and seat_count is not null as are_votes_told,
        prefecture_date >= session_date and regexp_matches(prefecture_id, '^0[0-9][0-9AB]-') as is_receipt_told,
        regexp_full_match(budget_year, '\d{4}(/\d{4})?') and budget_name is not null as is_budget_told
    from deliberation
)

select
    checked.authority_name as COLL_NOM,  -- noqa: CP02
    checked.authority_siret as COLL_SIRET,  -- noqa: CP02
    checked.deliberation_id as DELIB_ID,  -- noqa: CP02
    checked.session_date as DELIB_DATE,  -- noqa: CP02
    checked.matter_code as DELIB_MATIERE_CODE,  -- noqa: CP02
    matter.matter_name as DELIB_MATIERE_NOM,  -- noqa: CP02
    -- acts on persons name them: the title stays, the name goes
    regexp_replace(
        checked.subject,
        '\b(MM?\.|Mr|Mmes?|Mlles?|Monsieur|Madame|Mademoiselle)(\s+\p{Lu}[\p{L}''’-]*)+',
        '\1 […]',
        'g'
    ) as DELIB_OBJET,  -- noqa: CP02
    case when checked.is_budget_told then checked.budget_year end as BUDGET_ANNEE,  -- noqa: CP02
    case when checked.is_budget_told then checked.budget_name end as BUDGET_NOM,  -- noqa: CP02
    -- the reference of a receipt begins with the department of who gives it
    case when checked.is_receipt_told then 'PREF' || left(checked.prefecture_id, 3) end as PREF_ID,  -- noqa: CP02
    case when checked.is_receipt_told then checked.prefecture_date end as PREF_DATE,  -- noqa: CP02
    case when checked.are_votes_told then checked.seat_count end::integer as VOTE_EFFECTIF,  -- noqa: CP02
    case when checked.are_votes_told then checked.voter_count end::integer as VOTE_REEL,  -- noqa: CP02
    case when checked.are_votes_told then checked.for_count end::integer as VOTE_POUR,  -- noqa: CP02
    case when checked.are_votes_told then checked.against_count end::integer as VOTE_CONTRE,  -- noqa: CP02
    case when checked.are_votes_told then checked.abstention_count end::integer as VOTE_ABSTENTION,  -- noqa: CP02
    checked.document_url as DELIB_URL  -- noqa: CP02
from checked
inner join matter on checked.matter_code = matter.matter_code
