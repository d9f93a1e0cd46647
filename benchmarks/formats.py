"""CSV, JSON documents, XML and workbooks to bronze, each against the bare reader of its format.

Ours does what a load does: hash, read, type, refuse, leave out what is already there, commit with the ledger. The limit
only iterates over the records of the same files with the library that our reader stands on, and keeps nothing.

Run as a program it is the child process: `ours <source> <landing>` or `<format> <source> <landing>`.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import IO

from benchmarks.measure import Result, middle, timed

ROUNDS = 3


@dataclass(frozen=True)
class Work:
    """One source of the simulation, written large: its table is loaded alone."""

    format: str
    source: str
    table: str
    days: int
    scale: float


WORKS = (
    Work("csv", "water_scada", "reading", 60, 2.0),
    Work("json", "parking_events", "event", 150, 2.0),
    Work("xml", "building_energy", "index", 120, 4.0),
    Work("xlsx", "building_bms", "point", 30, 1.0),
)


def generate(work: Work, landing: Path) -> None:
    """The source's own simulation, long enough to time."""
    from ingestion.territory import load_territory
    from simulation.job import Job
    from simulation.truth import Truth

    job = Job(
        out=landing,
        seed=58,
        start=date(2026, 1, 5),
        days=work.days,
        scale=work.scale,
        territory=load_territory(),
        truth=Truth(),
    )
    import_module(f"simulation.{work.source}").write(job)
    (landing / "_truth").mkdir()


def run(home: Path) -> list[Result]:
    """Every format in turn: limit and ours alternate, medians of `ROUNDS`."""
    return [_one(work, home) for work in WORKS]


def _one(work: Work, home: Path) -> Result:
    landing, scratch = home / "bench_landing", home / "bench_home"
    shutil.rmtree(landing, ignore_errors=True)
    generate(work, landing)
    arguments = (work.source, work.table, str(landing))
    ours, limits, rows = [], [], 0
    try:
        for _ in range(ROUNDS):
            limits.append(timed(__name__, work.format, *arguments, home=home))
            shutil.rmtree(scratch, ignore_errors=True)
            ours.append(timed(__name__, "ours", *arguments, home=scratch))
            rows = json.loads((scratch / "rows.json").read_text())
    finally:
        shutil.rmtree(landing, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)
    our, limit = middle(ours), middle(limits)
    return Result(
        name=f"ingest_{work.format}",
        value=round(rows / our.seconds),
        unit="rows/s",
        limit=f"{READERS[work.format].__doc__}: {rows / limit.seconds:,.0f} rows/s, peak {limit.peak_mb:.0f} MB",
        ratio=round(limit.seconds / our.seconds, 3),
        peak_mb=round(our.peak_mb),
    )


def ours(source: str, table: str, landing: Path) -> float:
    """Seconds of a whole load; fails when the ledger does not add up."""
    from ingestion.contract import load_contracts
    from ingestion.load import ingest
    from lake.home import home

    contract = next(c for c in load_contracts() if (c.id, c.table) == (source, table))
    start = time.perf_counter()
    done = ingest(contract, landing=landing)
    seconds = time.perf_counter() - start
    if done.rows_read != done.rows_loaded + done.rows_duplicate + done.rows_quarantined or not done.rows_loaded:
        raise RuntimeError(f"the ledger does not add up: {done}")
    (home() / "rows.json").write_text(json.dumps(done.rows_read))
    return seconds


# limits -----------------------------------------------------------------------------------------------------------


def _streams(source: str, table: str, landing: Path) -> Iterator[IO[bytes]]:
    """The files of a table as bytes, members of archives included."""
    from ingestion.contract import load_contracts
    from ingestion.landing import discover, members

    contract = next(c for c in load_contracts() if (c.id, c.table) == (source, table))
    for container in discover(contract, landing):
        for file in members(container, contract)[0]:
            with file.open() as stream:
                yield stream


def bare_csv(files: Iterator[IO[bytes]]) -> None:
    """pyarrow.csv, batch by batch."""
    import pyarrow.csv as pacsv

    for stream in files:
        reader = pacsv.open_csv(
            stream,
            read_options=pacsv.ReadOptions(encoding="cp1252"),
            parse_options=pacsv.ParseOptions(delimiter=";", quote_char=False),
        )
        for _ in reader:
            pass


def bare_json(files: Iterator[IO[bytes]]) -> None:
    """ijson, object by object."""
    import ijson

    for stream in files:
        for _ in ijson.items(stream, "evenements.item", use_float=True):
            pass


def bare_xml(files: Iterator[IO[bytes]]) -> None:
    """lxml.iterparse, element by element."""
    from lxml import etree

    for stream in files:
        for _, element in etree.iterparse(stream):
            element.clear()


def bare_xlsx(files: Iterator[IO[bytes]]) -> None:
    """calamine, row by row."""
    from python_calamine import CalamineWorkbook

    for stream in files:
        for _ in CalamineWorkbook.from_filelike(BytesIO(stream.read())).get_sheet_by_index(0).iter_rows():
            pass


READERS: dict[str, Callable[[Iterator[IO[bytes]]], None]] = {
    "csv": bare_csv,
    "json": bare_json,
    "xml": bare_xml,
    "xlsx": bare_xlsx,
}


def main() -> None:
    """Do one piece of work and say how long it took."""
    what, source, table, landing = sys.argv[1:]
    if what == "ours":
        seconds = ours(source, table, Path(landing))
    else:
        start = time.perf_counter()
        READERS[what](_streams(source, table, Path(landing)))
        seconds = time.perf_counter() - start
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_mb": usage / 1024}) + "\n")


if __name__ == "__main__":
    main()
