"""Fixtures that every test may use: an empty installation, and a small simulated landing.

Belongs here: what more than one package's tests need. Does not: data of one format (beside its test).
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.parsed import Parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

    from ingestion.contract import SourceContract
    from ingestion.load import Ingested

TRACE = ("source_file", "source_sha256", "source_time", "delivered_time", "source_row")


@cache
def reading() -> duckdb.DuckDBPyConnection:
    """One connection for all tests' own queries: loading the Delta extension is half the cost of a small test."""
    from lake import engine

    return engine.connect(attach=False)


class House:
    """An installation in a folder of its own; every method runs with DATANEVERS_HOME set to it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.landing = home / "landing"

    @contextmanager
    def lived_in(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATANEVERS_HOME", str(self.home))
            patch.delenv("DATANEVERS_LAKE", raising=False)
            yield

    def put(self, source: str, name: str, content: bytes | str, *, modified: float | None = None) -> Path:
        path = self.landing / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if modified is not None:
            os.utime(path, (modified, modified))
        return path

    def ingest(self, *sources: str | SourceContract, landing: Path | None = None) -> list[Ingested]:
        from ingestion.contract import load_contracts
        from ingestion.load import ingest

        wanted = [
            c for s in sources for c in ([c for c in load_contracts() if c.id == s] if isinstance(s, str) else [s])
        ]
        with self.lived_in():
            return [ingest(contract, landing=landing) for contract in wanted or load_contracts()]

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        from lake import engine

        with self.lived_in():
            con = reading()
            for layer, name in re.findall(r"\b(bronze|ops)\.(\w+)", query):
                engine.attach_table(con, layer, name)
            return con.execute(query).fetchall()

    def bronze(self, table: str, *, without: tuple[str, ...] = TRACE) -> Counter[str]:
        """The table's rows, with how often each is there; the trace left out unless asked for."""
        quoted = ", ".join(map(repr, without))
        columns = f"COLUMNS(c -> c NOT IN ({quoted}))"
        return Counter(map(repr, self.sql(f"SELECT {columns} FROM bronze.{table}")))

    def ledger(self) -> dict[tuple[str, str, str], tuple[Any, ...]]:
        """(table, file, sha256) to (read, loaded, duplicate, quarantined, status, reason)."""
        rows = self.sql(
            """SELECT bronze_table, file, sha256, rows_read, rows_loaded, rows_duplicate, rows_quarantined, status, reason
            FROM ops.ingest_file"""
        )
        assert len({r[:3] for r in rows}) == len(rows), "a file is in the ledger twice"
        return {r[:3]: r[3:] for r in rows}

    def counts(self, file: str) -> tuple[int, int, int, int]:
        """(read, loaded, duplicate, quarantined) of the one file of that name."""
        (row,) = [v for k, v in self.ledger().items() if k[1] == file]
        return row[:4]

    def quarantine(self, file: str | None = None) -> list[tuple[Any, ...]]:
        """(file, line, column, reason, raw, rows), sorted."""
        rows = self.sql('SELECT file, line, "column", reason, raw, rows FROM ops.quarantine ORDER BY ALL')
        return rows if file is None else [r for r in rows if r[0] == file]

    def versions(self) -> dict[str, int | None]:
        from lake import table

        with self.lived_in():
            return {
                f"{layer}.{name}": table.version(layer, name)
                for layer in ("bronze", "ops")
                for name in table.tables(layer)
            }

    def state(self) -> dict[str, Any]:
        """All that a load leaves, but run ids, clocks and Delta versions: equal after any accident."""
        bronze = [name.split(".")[1] for name in self.versions() if name.startswith("bronze.")]
        drift = self.sql('SELECT source, file, sha256, kind, "column", detail FROM ops.schema_drift ORDER BY ALL')
        return {
            "ledger": self.ledger(),
            "quarantine": self.quarantine(),
            "drift": drift,
            **{name: self.bronze(name, without=("source_time", "delivered_time")) for name in bronze},
        }

    def check_ledger(self) -> None:
        """The ledger equation, against what bronze and quarantine really hold."""
        for key, (read, loaded, duplicate, quarantined, status, _) in self.ledger().items():
            assert read == loaded + duplicate + quarantined, key
            assert (status == "held") <= (loaded == duplicate == 0), key
        refused = {k: v[3] for k, v in self.ledger().items() if v[3]}
        entries = self.sql(
            "SELECT bronze_table, file, sha256, sum(rows) FROM ops.quarantine GROUP BY ALL HAVING sum(rows) > 0"
        )
        assert {r[:3]: int(r[3]) for r in entries} == refused
        loaded = {k: v[1] for k, v in self.ledger().items() if v[1]}
        held = {}
        bronze = [n.split(".")[1] for n in self.versions() if n.startswith("bronze.")]
        # tables made from declarations come of no file
        for name in (n for n in bronze if not n.startswith(("contract__", "territory__"))):
            rows = self.sql(f"SELECT source_file, source_sha256, count(*) FROM bronze.{name} GROUP BY ALL")
            held |= {(name, file, sha): n for file, sha, n in rows}
        assert held == loaded


@pytest.fixture(scope="session", autouse=True)
def _parsed_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    Parsed.folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose ops tables exist and are empty; copied, it saves each test their creation."""
    from lake import ops

    house = House(tmp_path_factory.mktemp("empty"))
    with house.lived_in():
        ops.ensure()
    return house.home / "lake"


@pytest.fixture(scope="session")
def new_house(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], House]:
    """Makes empty installations, for fixtures that outlive a test and for comparisons."""

    def make() -> House:
        home = tmp_path_factory.mktemp("house")
        shutil.copytree(empty_lake, home / "lake")
        return House(home)

    return make


@pytest.fixture
def house(new_house: Callable[[], House], monkeypatch: pytest.MonkeyPatch) -> House:
    """An empty installation, and DATANEVERS_HOME set to it."""
    made = new_house()
    monkeypatch.setenv("DATANEVERS_HOME", str(made.home))
    monkeypatch.delenv("DATANEVERS_LAKE", raising=False)
    return made


@pytest.fixture(scope="session")
def autumn_landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small territory over the 25-hour day of 2026-10-25, with its truth under `_truth/`. Do not write to it."""
    from simulation import simulate

    out = tmp_path_factory.mktemp("autumn_landing")
    simulate(out, start=date(2026, 10, 23), days=5, scale=0.1)
    return out


@pytest.fixture(scope="session")
def spring_landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same over the 23-hour day of 2026-03-29."""
    from simulation import simulate

    out = tmp_path_factory.mktemp("spring_landing")
    simulate(out, start=date(2026, 3, 28), days=2, scale=0.1)
    return out
