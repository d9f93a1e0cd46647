"""The connectors that contracts declare, from a real server to bronze: what lands is what the contract reads.

The simulated exports of a source are played into a server day by day, and collected day by day: bronze must then hold
what the exports themselves give.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ingestion.connectors.arrival import STAMP, file_name
from ingestion.connectors.collect import collect
from ingestion.connectors.declared import Http, Mqtt, Sql
from ingestion.contract import SourceContract, load_contracts
from ingestion.territory import load_territory
from orchestration import cli
from orchestration import collect as orchestrated
from simulation.job import Job
from simulation.run import platforms
from simulation.truth import Truth
from tests.integration.servers import Asked, Database, Reply, Site, http_site, mariadb, postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from ingestion.connectors.declared import Connector
    from tests.conftest import House

WHEN = datetime(2026, 10, 5, 9, 30, 12, tzinfo=UTC)


def declared() -> dict[str, list[SourceContract]]:
    """Tables by source that has a connector."""
    found = defaultdict(list)
    for contract in load_contracts():
        if contract.connector is not None:
            found[contract.id].append(contract)
    return dict(found)


def names(source: str, connector: Connector) -> Iterator[str]:
    """File names that the connector makes."""
    if isinstance(connector, Http):
        for resource in connector.resources:
            for page in (1, 2) if resource.pages else (1,):
                yield file_name(resource.name or source, WHEN, page, resource.extension)
    elif isinstance(connector, Sql):
        for query in connector.queries:
            yield file_name(query.table, WHEN, None, "jsonl.gz")
    elif isinstance(connector, Mqtt):
        yield file_name(connector.name or source, WHEN, 1, "jsonl")


@pytest.mark.parametrize("source", declared())
def test_contracts_read_the_files_that_their_connector_makes(source: str) -> None:
    contracts = declared()[source]
    connector = contracts[0].connector
    assert connector is not None
    for name in names(source, connector):
        matches = [found for c in contracts if (found := re.match(c.files, name))]
        assert matches, f"{name} matches no table of {source}"
        for match in matches:
            assert match.groupdict().get("time") in (None, f"{WHEN:{STAMP}}"), f"{name}: another instant is read"


def simulated(source: str, folder: Path, days: int) -> Path:
    """The simulated exports of one source."""
    job = Job(folder, 58, date(2026, 10, 5), days, 0.05, load_territory(), Truth())
    platforms()[source].write(job)
    return folder / source


def rows_by_time(folder: Path) -> dict[datetime, dict[str, list[dict[str, Any]]]]:
    """Rows by table of each instant at which a simulated connector asked."""
    found: dict[datetime, dict[str, list[dict[str, Any]]]] = defaultdict(dict)
    for path in sorted(folder.glob("*.jsonl.gz")):
        table, stamp = path.name.removesuffix(".jsonl.gz").removesuffix("_p0001").rsplit("_", 1)
        lines = gzip.decompress(path.read_bytes()).splitlines()
        found[datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)][table] = [json.loads(line) for line in lines]
    return dict(sorted(found.items()))


def same_bronze(new_house: Callable[[], House], house: House, source: str, exports: Path, tables: list[str]) -> None:
    """What was collected, loaded, is what the exports, loaded, are."""
    expected = new_house()
    for path in exports.glob("*.jsonl.gz"):
        expected.put(source, path.name, path.read_bytes())
    wanted = [c for c in load_contracts() if c.id == source and c.table in tables]
    assert len(wanted) == len(tables)
    for told in (expected, house):
        told.ingest(*wanted)
        told.check_ledger()
        assert all(entry[4] != "held" for entry in told.ledger().values())
    for contract in wanted:
        assert house.bronze(contract.bronze) == expected.bronze(contract.bronze), contract.bronze
        assert house.bronze(contract.bronze).total() > 0


LIGHTING = {
    "light_point": """light_point_id text PRIMARY KEY, cabinet_id text, lamp_type text, luminaire text, power_w int,
        height_m numeric(5,2), street text, insee char(5), longitude float8, latitude float8, installed_on date,
        colour_k int""",
    "cabinet": """cabinet_id text PRIMARY KEY, label text, insee char(5), longitude float8, latitude float8,
        control_mode text, cut_from text, cut_to text, subscribed_kva numeric(6,1), installed_on date""",
    "switching": """switching_id bigint PRIMARY KEY, cabinet_id text, switched_at timestamptz, state text, cause text,
        received_at timestamptz""",
    "fault": """fault_id bigint PRIMARY KEY, cabinet_id text, light_point_id text, kind text, status text,
        declared_at timestamptz, closed_at timestamptz, updated_at timestamptz""",
}
WHOLE = {"light_point", "cabinet"}  # tables that are extracted in full


def test_lighting_from_postgresql_to_bronze(
    house: House, new_house: Callable[[], House], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exports = simulated("lighting", tmp_path, 8)
    (connector, *_) = [c.connector for c in declared()["lighting"]]
    assert connector is not None
    with postgresql() as database:
        monkeypatch.setenv("DATANEVERS_LIGHTING_URL", database.url)
        database.run(*(f"CREATE TABLE {table} ({columns})" for table, columns in LIGHTING.items()))
        for instant, tables in rows_by_time(exports).items():
            for table, rows in tables.items():
                _into_postgresql(database, table, rows)
            done = collect("lighting", connector, house.landing, now=instant)
            assert done.failures == ()
            assert len(done.files) >= len(tables)
    same_bronze(new_house, house, "lighting", exports, list(LIGHTING))


def _into_postgresql(database: Database, table: str, rows: list[dict[str, Any]]) -> None:
    key, names = f"{table}_id", ", ".join(rows[0])
    changed = ", ".join(f"{name} = EXCLUDED.{name}" for name in rows[0])
    statement = (
        f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, %(rows)s::jsonb) "
        f"ON CONFLICT ({key}) DO UPDATE SET {changed}"
    )
    with database.engine.begin() as connection:
        if table in WHOLE:
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql(statement, {"rows": json.dumps(rows)})


def test_traffic_signals_from_mariadb_to_bronze(
    house: House, new_house: Callable[[], House], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exports = simulated("traffic_signals", tmp_path, 6)
    (connector,) = [c.connector for c in declared()["traffic_signals"]]
    assert connector is not None
    with mariadb() as database:
        monkeypatch.setenv("DATANEVERS_TRAFFIC_SIGNALS_URL", database.url)
        database.run(
            """CREATE TABLE evenement (id_evenement bigint PRIMARY KEY, id_carrefour varchar(20), horodatage datetime,
            reception datetime, code varchar(20), etat varchar(5), plan int, ligne int, libelle varchar(200))
            CHARACTER SET utf8mb4"""
        )
        names = ("id_evenement", "id_carrefour", "horodatage", "reception", "code", "etat", "plan", "ligne", "libelle")
        insert = f"INSERT IGNORE INTO evenement VALUES ({', '.join(f'%({n})s' for n in names)})"
        for instant, tables in rows_by_time(exports).items():
            rows = [r | {k: r[k].rstrip("Z") for k in ("horodatage", "reception")} for r in tables["event"]]
            with database.engine.begin() as connection:
                connection.exec_driver_sql(insert, rows)
            assert collect("traffic_signals", connector, house.landing, now=instant).failures == ()
    same_bronze(new_house, house, "traffic_signals", exports, ["event"])


def test_parking_events_page_by_page_to_bronze(
    house: House, new_house: Callable[[], House], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exports = simulated("parking_events", tmp_path, 3)
    (connector,) = [c.connector for c in declared()["parking_events"]]
    assert isinstance(connector, Http)
    monkeypatch.setenv("DATANEVERS_PARKING_EVENTS_TOKEN", "abcdefgh")
    pages: dict[str, bytes] = {}
    stamps = sorted({p.name.split("_")[2] for p in exports.iterdir()})
    with http_site() as site:
        url = site.script("/v1/evenements", lambda asked: Reply(pages[asked.query["page"]]))
        (resource,) = connector.resources
        local = connector.model_copy(update={"resources": (resource.model_copy(update={"url": url}),)})
        for stamp in stamps:
            pages.clear()
            found = sorted(exports.glob(f"*_{stamp}_p*.json"))
            pages |= {str(n): path.read_bytes() for n, path in enumerate(found, 1)}
            now = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
            assert collect("parking_events", local, house.landing, now=now, force=True).failures == ()
        _since_follows_the_data(site, exports)
    landed = {p.name: p.read_bytes() for p in (house.landing / "parking_events").iterdir()}
    assert landed == {p.name: p.read_bytes() for p in exports.iterdir() if p.name in landed}
    without_records = [p for p in exports.iterdir() if p.name not in landed]
    assert all(json.loads(p.read_bytes())["evenements"] == [] for p in without_records)
    house.ingest("parking_events")
    house.check_ledger()


def _since_follows_the_data(site: Site, exports: Path) -> None:
    asked: list[Asked] = [a for a in site.asked if a.query["page"] == "1"]
    sent = [a.query["depuis"] for a in asked]
    assert sent == sorted(sent)
    assert len(set(sent)) > 3
    latest = max(e["recu"] for p in exports.iterdir() for e in json.loads(p.read_bytes())["evenements"])
    assert sent[-1] < latest
    assert all(a.headers["Authorization"] == "Bearer abcdefgh" for a in site.asked)


# All of them -------------------------------------------------------------------------------------------------------


class Declared:
    """A contract as far as collecting goes."""

    def __init__(self, source: str, connector: Connector) -> None:
        self.id, self.connector = source, connector


def test_every_platform_is_asked_and_missing_variables_are_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_site() as site:
        good = Http.model_validate({"kind": "http", "url": site.script("/a", Reply(b"[]"))})
        bad = Http.model_validate({"kind": "http", "url": f"{site.url}/gone"})
        closed = Http.model_validate({"kind": "http", "url": f"{site.url}/a", "auth_env": "CLOSED_TOKEN"})
        heard = Mqtt.model_validate({"kind": "mqtt", "url_env": "HEARD_URL", "topics": ["#"]})
        sources = {"bad": bad, "closed": closed, "good": good, "heard": heard}
        contracts = [Declared(source, connector) for source, connector in sources.items()]
        monkeypatch.setattr(orchestrated, "load_contracts", lambda: contracts)
        first = {f.source: f for f in orchestrated.collect_all("run-1")}
        assert set(first) == {"bad", "closed", "good"}
        assert first["closed"].skipped == "variable d'environnement absente : CLOSED_TOKEN"
        assert first["bad"].failures == (f"bad : {site.url}/gone : HTTP 404",)
        assert len(first["good"].files) == 1
        again = {f.source: f for f in orchestrated.collect_all("run-2")}
        assert again["good"].skipped == "demandée il y a moins que sa période"
        (asked,) = orchestrated.collect_all("run-3", ["good"])
        assert asked.skipped is None, "who names a source wants it now"
        with pytest.raises(LookupError, match="heard"):
            orchestrated.collect_all("run-4", ["heard"])
    told = house.sql("SELECT run_id, source, status, http_status FROM ops.fetch ORDER BY ALL")
    assert told == [
        ("run-1", "bad", "failed", 404),
        ("run-1", "good", "fetched", 200),
        ("run-2", "bad", "failed", 404),
        ("run-3", "good", "not_modified", 200),
    ]


def command(*argv: str) -> Result:
    """A `datanevers` command."""
    return CliRunner().invoke(cli.app, list(argv))


def test_the_command_tells_what_came_and_ends_with_1_when_something_failed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_site() as site:
        good = Http.model_validate({"kind": "http", "url": site.script("/a", Reply(b"[]"))})
        bad = Http.model_validate({"kind": "http", "url": f"{site.url}/gone"})
        contracts = [Declared("good", good), Declared("bad", bad)]
        monkeypatch.setattr(orchestrated, "load_contracts", lambda: contracts)
        done = command("collect", "--source", "good", "--json")
        assert done.exit_code == 0
        (told,) = json.loads(done.stdout)
        assert told["source"] == "good"
        assert (told["files"], told["bytes"], told["note"]) == (1, 2, "")
        assert not told["failed"]
        assert [p.name for p in (house.landing / "good").iterdir()] == told["landed"]
        done = command("collect", "--json")
        assert done.exit_code == 1
        notes = {row["source"]: row["note"] for row in json.loads(done.stdout)}
        assert notes == {"good": "demandée il y a moins que sa période", "bad": f"bad : {site.url}/gone : HTTP 404"}
        assert command("collect", "--source", "nobody").exit_code == 2
        assert command("collect", "mqtt").exit_code == 0, "nobody to listen to"


def test_every_connector_of_the_contracts_can_say_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for source, contracts in declared().items():
        connector = contracts[0].connector
        assert connector is not None
        assert all(name.startswith("DATANEVERS_") for name in connector.variables), source
        assert all(c.connector == connector for c in contracts), source
