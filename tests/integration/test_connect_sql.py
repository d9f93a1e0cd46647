"""SQL connectors against a real PostgreSQL and a real MariaDB: values, watermarks, limits, nothing written there."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.connectors import sql
from ingestion.connectors.collect import Fetched, collect
from tests.integration.servers import Database, connector, mariadb, postgresql, python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import House

NOW = datetime(2026, 10, 5, 9, 30, 12, tzinfo=UTC)


@pytest.fixture(params=[postgresql, mariadb], ids=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with request.param() as made:
        yield made


@pytest.fixture
def pg() -> Iterator[Database]:
    with postgresql() as made:
        yield made


@pytest.fixture
def maria() -> Iterator[Database]:
    with mariadb() as made:
        yield made


class Asker:
    """Collects the source `lights`, an hour later each time."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house = house
        self.folder = house.landing / "lights"
        self._patch = monkeypatch
        self._now = NOW

    def __call__(self, database: Database, *queries: dict[str, Any], **declared: Any) -> Fetched:
        self._patch.setenv("LIGHTS_URL", database.url)
        wanted = connector(kind="sql", url_env="LIGHTS_URL", queries=queries, **declared)
        done = collect("lights", wanted, self.house.landing, now=self._now)
        self._now += timedelta(hours=1)
        return done

    def text(self, file: str) -> str:
        return gzip.decompress((self.folder / file).read_bytes()).decode()

    def rows(self, done: Fetched) -> list[list[dict[str, Any]]]:
        """Rows of each file that landed."""
        assert done.failures == ()
        return [[json.loads(line) for line in self.text(file).splitlines()] for file in done.files]


@pytest.fixture
def ask(house: House, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker(house, monkeypatch)


def test_values_of_postgresql(ask: Asker, pg: Database) -> None:
    pg.run(
        """CREATE TABLE v (i bigint, n numeric(30,12), f float8, nan float8, t text, b bytea, d date, ts timestamptz,
        tod time, j jsonb, jo json, a numeric[], u uuid, bo boolean, iv interval, nothing text, ip inet)""",
        r"""INSERT INTO v VALUES (9223372036854775807, 12345678901234567.120000000000, 0.1, 'NaN', E'é\n"€"',
        '\x00ff', '2026-10-25', '2026-10-25 02:30:00.25+01', '08:00', '{"x": 1.10000000000000000001}',
        E'{"y":\n 2}', '{1.50,2}', '00000000-0000-0000-0000-000000000001', true, '1 day 02:03:04.5', NULL, '10.0.0.1')""",
    )
    done = ask(pg, {"table": "v", "sql": "SELECT * FROM v"})
    assert done.files == ("v_20261005T093012Z.jsonl.gz",)
    assert ask.text(done.files[0]) == (
        '{"i":9223372036854775807,"n":12345678901234567.120000000000,"f":0.1,"nan":"nan","t":"é\\n\\"€\\"","b":"AP8=",'
        '"d":"2026-10-25","ts":"2026-10-25T01:30:00.250000Z","tod":"08:00:00","j":{"x": 1.10000000000000000001},'
        '"jo":{"y":  2},"a":[1.50,2],"u":"00000000-0000-0000-0000-000000000001","bo":true,"iv":"26:03:04.5",'
        '"nothing":null,"ip":"10.0.0.1"}\n'
    )


def test_values_of_mariadb(ask: Asker, maria: Database) -> None:
    maria.run(
        """CREATE TABLE v (i bigint unsigned, n decimal(30,12), f double, t varchar(20) CHARACTER SET utf8mb4,
        b varbinary(4), d date, ts timestamp NULL, dt datetime, tod time, bo boolean, nothing text)""",
        "SET time_zone = '+01:00'",
        r"""INSERT INTO v VALUES (18446744073709551615, 12345678901234567.120000000000, 0.1, 'é\n"😀"',
        x'00ff', '2026-10-25', '2026-12-25 02:30:00', '2026-12-25 02:30:00', '-26:03:04', true, NULL)""",
    )
    done = ask(maria, {"table": "v", "sql": "SELECT * FROM v"}, zone="Europe/Paris")
    assert done.failures == ()
    assert ask.text(done.files[0]) == (
        '{"i":18446744073709551615,"n":12345678901234567.120000000000,"f":0.1,"t":"é\\n\\"😀\\"","b":"AP8=",'
        '"d":"2026-10-25","ts":"2026-12-25T01:30:00Z","dt":"2026-12-25T01:30:00Z","tod":"-26:03:04","bo":1,'
        '"nothing":null}\n'
    )


def test_a_date_that_is_none_stays_the_text_it_is(ask: Asker, maria: Database) -> None:
    maria.run("SET sql_mode = ''", "CREATE TABLE z (d date)", "INSERT INTO z VALUES ('0000-00-00')")
    assert ask.rows(ask(maria, {"table": "z", "sql": "SELECT * FROM z"})) == [[{"d": "0000-00-00"}]]


LOCAL = ["2026-10-24 12:00:00", "2026-10-25 02:30:00", "2026-03-29 02:30:00"]  # plain, twice that day, never that day


def test_a_clock_without_zone_is_never_guessed(ask: Asker, database: Database) -> None:
    kind = "timestamp" if database.kind == "postgresql" else "datetime"
    database.run(f"CREATE TABLE c (id int, at {kind})")
    database.run(*(f"INSERT INTO c VALUES ({n}, '{text}')" for n, text in enumerate(LOCAL)))
    query = {"table": "c", "sql": "SELECT * FROM c ORDER BY id"}
    (failure,) = ask(database, query).failures
    assert "« at » n'a pas de fuseau" in failure
    (rows,) = ask.rows(ask(database, query, zone="Europe/Paris"))
    assert [r["at"] for r in rows] == ["2026-10-24T10:00:00Z", "2026-10-25T02:30:00", "2026-03-29T02:30:00"]
    (rows,) = ask.rows(ask(database, query, zone="keep"))
    assert [r["at"] for r in rows] == [text.replace(" ", "T") for text in LOCAL]


FAULT = {"table": "fault", "sql": "SELECT * FROM fault;", "watermark": "fault_id"}


def faults(*ids: int | None) -> list[str]:
    return [f"INSERT INTO fault VALUES ({'NULL' if i is None else i}, 'lamp {i}')" for i in ids]


def ids(rows: list[list[dict[str, Any]]]) -> list[list[int]]:
    return [[r["fault_id"] for r in file] for file in rows]


def test_only_what_is_new_is_asked_for(ask: Asker, database: Database) -> None:
    database.run("CREATE TABLE fault (fault_id bigint, what varchar(20))")
    assert ask(database, FAULT).files == (), "no row, no file"
    database.run(*faults(1, 2, 3))
    assert ids(ask.rows(ask(database, FAULT))) == [[1, 2, 3]]
    database.run(*faults(3, 4))
    assert ids(ask.rows(ask(database, FAULT))) == [[3, 3, 4]], "an equal watermark that was committed late is not lost"
    assert ids(ask.rows(ask(database, FAULT))) == [[4]]
    assert ask(database, FAULT).files == (), "the same rows again do not land again"
    told = ask.house.sql("SELECT status, rows FROM ops.fetch ORDER BY fetched_time")
    assert told == [("not_modified", 0), ("fetched", 3), ("fetched", 3), ("fetched", 1), ("not_modified", 1)]


def test_an_overlap_finds_rows_that_were_committed_late(ask: Asker, database: Database) -> None:
    database.run("CREATE TABLE fault (fault_id bigint, what varchar(20))", *faults(1, 2, 10))
    ask(database, FAULT | {"overlap": 5})
    database.run(*faults(7, 4, None))
    (found,) = ids(ask.rows(ask(database, FAULT | {"overlap": 5})))
    assert sorted(found, key=lambda i: i or 0) == [None, 7, 10]


def test_a_watermark_in_time(ask: Asker, database: Database) -> None:
    kind = "timestamptz" if database.kind == "postgresql" else "timestamp(6) NULL"
    database.run(f"CREATE TABLE e (id int, at {kind})")
    query = {"table": "e", "sql": "SELECT * FROM e", "watermark": "at", "overlap": 60}

    def happens(number: int, minute: str) -> None:
        zone = "+00" if database.kind == "postgresql" else ""
        with database.engine.begin() as connection:
            if not zone:
                connection.exec_driver_sql("SET time_zone = '+00:00'")
            connection.exec_driver_sql(f"INSERT INTO e VALUES ({number}, '2026-10-05 08:{minute}{zone}')")

    happens(1, "10:00.123456")
    (rows,) = ask.rows(ask(database, query))
    assert rows == [{"id": 1, "at": "2026-10-05T08:10:00.123456Z"}]
    happens(2, "09:30")
    happens(3, "08:30")
    assert [[r["id"] for r in file] for file in ask.rows(ask(database, query))] == [[2, 1]]


def test_a_clock_that_goes_back_in_october_hides_nothing(ask: Asker, database: Database) -> None:
    kind = "timestamp" if database.kind == "postgresql" else "datetime"
    database.run(f"CREATE TABLE e (id int, at {kind})", "INSERT INTO e VALUES (1, '2026-10-25 02:59:00')")
    query = {"table": "e", "sql": "SELECT * FROM e", "watermark": "at"}
    ask(database, query, zone="keep")
    database.run("INSERT INTO e VALUES (2, '2026-10-25 02:05:00')")
    assert [[r["id"] for r in file] for file in ask.rows(ask(database, query, zone="keep"))] == [[2, 1]]


def test_a_date_watermark(ask: Asker, database: Database) -> None:
    database.run("CREATE TABLE d (id int, day date)", "INSERT INTO d VALUES (1, '2026-10-01'), (2, '2026-10-04')")
    query = {"table": "d", "sql": "SELECT * FROM d", "watermark": "day", "overlap": 86400}
    ask(database, query)
    database.run("INSERT INTO d VALUES (3, '2026-10-03'), (4, '2026-10-02')")
    assert [[r["id"] for r in file] for file in ask.rows(ask(database, query))] == [[3, 2]]


def test_a_long_extraction_lands_in_files_and_survives_its_end(
    ask: Asker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "FILE_ROWS", 4)
    monkeypatch.setattr(sql, "BATCH", 3)
    database.run("CREATE TABLE fault (fault_id bigint, what varchar(20))", *faults(*range(1, 11)))
    database.run(*_refusing_ten(database))
    done = ask(database, FAULT | {"sql": "SELECT refuse_ten(fault_id) AS fault_id, what FROM fault"})
    assert len(done.failures) == 1
    assert "dix" in done.failures[0]
    landed = [i for file in done.files for i in (json.loads(line)["fault_id"] for line in ask.text(file).splitlines())]
    again = [i for file in ids(ask.rows(ask(database, FAULT))) for i in file]
    # MariaDB computes as it sends; PostgreSQL sorts, and so computes, first. What had landed does not come again,
    # but for the row that the watermark stands on.
    assert landed in ([], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7, 8])
    assert again == list(range(max(len(landed), 1), 11))
    assert not list(ask.folder.glob("*.part"))


def _refusing_ten(database: Database) -> list[str]:
    if database.kind == "mariadb":
        return [
            """CREATE FUNCTION refuse_ten(i bigint) RETURNS bigint BEGIN
            IF i = 10 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'dix'; END IF; RETURN i; END"""
        ]
    return [
        """CREATE FUNCTION refuse_ten(i bigint) RETURNS bigint LANGUAGE plpgsql AS
        $$ BEGIN IF i = 10 THEN RAISE EXCEPTION 'dix'; END IF; RETURN i; END $$""",
        "CREATE INDEX ON fault (fault_id)",
    ]


def test_an_extraction_that_is_cut_goes_on_from_its_last_file(
    ask: Asker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk gives up in the third file."""
    monkeypatch.setattr(sql, "FILE_ROWS", 4)
    monkeypatch.setattr(sql, "BATCH", 3)
    database.run("CREATE TABLE fault (fault_id bigint, what varchar(20))", *faults(*range(1, 11)))
    ask.folder.mkdir(parents=True)
    (ask.folder / "fault_20261005T093014Z.jsonl.gz.part").mkdir()  # a name that cannot be written to
    done = ask(database, FAULT)
    assert len(done.failures) == 1
    assert len(done.files) == 2
    (ask.folder / "fault_20261005T093014Z.jsonl.gz.part").rmdir()
    assert ids(ask.rows(ask(database, FAULT))) == [[8, 9, 10]]


def test_format_strings_and_percent_signs_are_left_alone(ask: Asker, database: Database) -> None:
    database.run("CREATE TABLE fault (fault_id bigint, what varchar(20))", *faults(1, 2))
    clock = "to_char(TIMESTAMP '2026-10-05 08:09:10', 'HH24:MI:SS')"
    clock = clock if database.kind == "postgresql" else "DATE_FORMAT('2026-10-05 08:09:10', '%H:%i:%s')"
    text = f"SELECT fault_id, {clock} AS at, '10:30%' AS p FROM fault WHERE what LIKE '%p 2' -- 100 % of them"
    for query in ({"table": "a", "sql": text}, {"table": "b", "sql": text, "watermark": "fault_id"}):
        assert ask.rows(ask(database, query)) == [[{"fault_id": 2, "at": "08:09:10", "p": "10:30%"}]]


def test_the_suppliers_database_cannot_be_written(ask: Asker, database: Database) -> None:
    database.run("CREATE TABLE fault (fault_id bigint, what varchar(20))", *faults(1))
    if database.kind == "postgresql":
        database.run(
            """CREATE FUNCTION hit() RETURNS bigint LANGUAGE sql AS
            $$ INSERT INTO fault VALUES (99, 'hit') RETURNING fault_id $$"""
        )
    else:
        database.run("CREATE FUNCTION hit() RETURNS bigint BEGIN INSERT INTO fault VALUES (99, 'hit'); RETURN 99; END")
    (failure,) = ask(database, {"table": "x", "sql": "SELECT hit() AS fault_id"}).failures
    assert "read-only" in failure.lower() or "READ ONLY" in failure
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM fault").scalar_one() == 1


def test_a_statement_that_takes_too_long_is_stopped(ask: Asker, database: Database) -> None:
    # Rows, because MariaDB's SLEEP() is cut short without an error.
    endless = (
        "SELECT count(*) AS n FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
        if database.kind == "postgresql"
        else "SELECT count(*) AS n FROM seq_1_to_100000 a, seq_1_to_100000 b WHERE a.seq + b.seq > 7"
    )
    begun = datetime.now(UTC)
    assert len(ask(database, {"table": "x", "sql": endless}, timeout_s=1).failures) == 1
    assert datetime.now(UTC) - begun < timedelta(seconds=20)


def test_declarations_that_do_not_fit_the_result(ask: Asker, database: Database) -> None:
    text = {"table": "c", "sql": "SELECT 'a' AS id", "watermark": "id"}
    cases = [
        ({"table": "a", "sql": "SELECT 1 AS x", "watermark": "id"}, "id"),
        ({"table": "b", "sql": "SELECT 1 AS x, 2 AS x"}, "colonnes de même nom dans le résultat : x"),
        (text, "watermark de type str"),
    ]
    for query, reason in cases:
        (failure,) = ask(database, query).failures
        assert failure.startswith(f"{query['table']} : ")
        assert reason in failure
    both = ask(database, text, {"table": "good", "sql": "SELECT 1 AS x"})
    assert both.files == ("good_20261005T123012Z.jsonl.gz",), "one that fails does not stop the other"
    assert len(both.failures) == 1


MEASURE = """
import json, os, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from ingestion.connectors.collect import collect
from tests.integration.servers import connector
def collected(table, sql):
    wanted = connector(kind="sql", url_env="LIGHTS_URL", queries=[{"table": table, "sql": sql}])
    done = collect("lights", wanted, Path(sys.argv[1]), now=datetime(2026, 10, 5, tzinfo=UTC))
    assert not done.failures, done.failures
collected("small", sys.argv[2].format(n=1000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
collected("large", sys.argv[2].format(n=300_000))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
Path(sys.argv[1], "grown_kb").write_text(str(after - before))
"""


def test_memory_does_not_grow_with_the_result(house: House, database: Database, tmp_path: Path) -> None:
    rows = "generate_series(1, {n}) AS s(seq)" if database.kind == "postgresql" else "seq_1_to_{n}"
    query = f"SELECT seq AS n, repeat('x', 500) AS t FROM {rows}"
    process = python(MEASURE, str(tmp_path), query, LIGHTS_URL=database.url)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert int((tmp_path / "grown_kb").read_text()) < 30_000, "150 MB of rows went through"
