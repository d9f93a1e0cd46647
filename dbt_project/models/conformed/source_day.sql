-- Days that are over: the last one told of is still being written, and so is today.
with receipt as (
    select
        *,
        {{ business_date('source_time') }} as received_date
    from {{ ref('stg_ops__ingest_file') }}
),

platform as (
    select * from {{ ref('platform') }}
),

over as (
    select least(max(received_date), {{ today() }}) as end_date
    from receipt
),

daily as (
    select
        receipt.source_id,
        receipt.received_date,
        count(*) as file_count,
        count(*) filter (where receipt.status = 'duplicate') as duplicate_file_count,
        count(*) filter (where receipt.status = 'held') as held_file_count,
        coalesce(sum(receipt.file_bytes), 0)::bigint as received_bytes,
        coalesce(sum(receipt.rows_read), 0)::bigint as read_row_count,
        coalesce(sum(receipt.rows_loaded), 0)::bigint as loaded_row_count,
        coalesce(sum(receipt.rows_duplicate), 0)::bigint as duplicate_row_count,
        coalesce(sum(receipt.rows_quarantined), 0)::bigint as quarantined_row_count
    from receipt
    cross join over
    where receipt.received_date < over.end_date
    group by receipt.source_id, receipt.received_date
),

spaced as (
    select
        *,
        received_date - lag(received_date) over (partition by source_id order by received_date) as gap_days
    from daily
)

select
    spaced.source_id,
    spaced.received_date,
    spaced.file_count,
    spaced.duplicate_file_count,
    spaced.held_file_count,
    spaced.received_bytes,
    spaced.read_row_count,
    spaced.loaded_row_count,
    spaced.duplicate_row_count,
    spaced.quarantined_row_count,
    spaced.gap_days,
    -- one cadence, and the time to notice and deliver again, in whole days
    spaced.gap_days <= case platform.cadence
        when 'hourly' then 1
        when 'daily' then 1
        when 'weekly' then 9
        when 'monthly' then 40
        when 'yearly' then 400
    end as is_timely
from spaced
inner join platform on spaced.source_id = platform.source_id
