-- A thing keeps the id it once got: this table reads its own current version, also in a full refresh, and only adds.
with candidate as (
    {{ things_to_number() }}
),

given as (
    {{ current_version([
        ('id_kind', 'varchar'), ('thing_key', 'varchar'), ('insee_code', 'varchar'), ('national_id', 'varchar'),
        ('number', 'bigint'), ('first_seen_time', 'timestamptz')
    ]) }}
),

-- without a commune there is nothing to number it in: it waits
fresh as (
    select
        candidate.id_kind,
        any_value(candidate.form) as form,
        candidate.thing_key,
        arg_min(candidate.insee_code, candidate.first_seen_time) as insee_code,
        min(candidate.first_seen_time) as first_seen_time
    from candidate
    left join given on candidate.id_kind = given.id_kind and candidate.thing_key = given.thing_key
    where given.thing_key is null and candidate.insee_code is not null and candidate.first_seen_time is not null
    group by candidate.id_kind, candidate.thing_key
),

highest as (
    select
        id_kind,
        insee_code,
        max(number) as number
    from given
    group by id_kind, insee_code
),

numbered as (
    select
        fresh.id_kind,
        fresh.form,
        fresh.thing_key,
        fresh.insee_code,
        fresh.first_seen_time,
        coalesce(highest.number, 0) + row_number() over (
            partition by fresh.id_kind, fresh.insee_code
            order by fresh.first_seen_time, fresh.thing_key
        ) as number
    from fresh
    left join highest on fresh.id_kind = highest.id_kind and fresh.insee_code = highest.insee_code
),

registry as (
    select * from given
    union all by name
    select
        id_kind,
        thing_key,
        insee_code,
        printf(form, insee_code, number) as national_id,
        number,
        first_seen_time
    from numbered
)

select
    id_kind,
    thing_key,
    insee_code,
    national_id,
    number,
    first_seen_time
from registry
