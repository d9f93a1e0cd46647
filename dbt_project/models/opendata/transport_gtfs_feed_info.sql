with feed as (
    select * from {{ ref('transit_feed') }}
)

select
    publisher_name as feed_publisher_name,
    publisher_url as feed_publisher_url,
    lang as feed_lang,
    first_date as feed_start_date,
    last_date as feed_end_date,
    feed_version
from feed
where is_last
