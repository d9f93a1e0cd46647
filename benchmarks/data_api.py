"""The data API under load: 20 clients at once ask a table of 5 million hourly measures for filtered pages.

The table has the columns, the order and the writer of the published `mesures-environnement`: 50 sensors of 4 quantities
over 25 000 hours. Every request has values of its own, so that no total is known beforehand; clients ask again as soon
as they are answered. They run on the same processors as the server, and so does the limit.

Measured: the median and 95th percentile of filtered pages, then of groups and of sorts of the whole table, and the peak
memory of the server's process over all of it (`VmHWM`). The limit runs the very same SQL, totals included, from as many
threads with a cursor each on one bare DuckDB: no HTTP, no limits on memory or requests at once.

Run as a program it is a child process: `publish`, `serve <port>` or `limit <kind>`.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from math import inf, isinf
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from benchmarks.measure import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from publication.resources import Resource

DATASET = "mesures-environnement"
CLIENTS, REQUESTS = 20, {"filter": 60, "group": 10, "sort": 10}  # requests of each client
SENSORS, HOURS = 50, 25_000
ROWS = SENSORS * 4 * HOURS
MEDIAN_MS, PEAK_MB = 150, 1000

_MEASURES = f"""
    WITH quantity AS (SELECT * FROM (VALUES
        ('température de l''air', '°C', 12, 10), ('humidité de l''air', '%', 70, 20),
        ('particules PM10', 'µg/m³', 18, 9), ('ozone', 'µg/m³', 55, 30)) AS t (grandeur, unite, middle, swing)),
    sensor AS (SELECT 'capteur-' || lpad(i::VARCHAR, 3, '0') AS capteur_id, 'Capteur ' || i || ' quai' AS capteur_nom,
        'capteur connecté' AS capteur_type, (58000 + i % 13)::VARCHAR AS code_insee,
        'Commune ' || i % 13 AS commune_nom, 3.1 + i / 700.0 AS longitude, 46.9 + i / 600.0 AS latitude
        FROM range({SENSORS}) AS r (i)),
    hour AS (SELECT h, TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_hours(h::INTEGER) AS debut
        FROM range({HOURS}) AS r (h))
    SELECT sensor.*, grandeur, unite, debut, (debut AT TIME ZONE 'Europe/Paris')::DATE AS date,
        hour(debut AT TIME ZONE 'Europe/Paris') AS heure,
        round(middle + swing * sin(h / 3.82) + hash(h, capteur_id, grandeur) % 1000 / 200.0, 2) AS valeur,
        round(middle + swing * sin(h / 3.82), 2) AS valeur_min,
        round(middle + swing * sin(h / 3.82) + 5, 2) AS valeur_max,
        CASE WHEN hash(h, capteur_id) % 50 = 0 THEN 3 ELSE 4 END AS nombre_mesures,
        CASE WHEN hash(h, capteur_id) % 50 = 0 THEN 0.75 ELSE 1 END AS part_mesuree,
        CASE WHEN hash(h, capteur_id) % 200 = 0 THEN 'douteuse' ELSE 'valide' END AS qualite,
        'indicative' AS statut
    FROM sensor, quantity, hour"""


def publish() -> None:
    """Make a tree of the one table, its schema and its manifest."""
    from lake.engine import connect
    from publication import package, tree
    from publication.card import load_cards
    from publication.export import TableExport, write_parquet
    from publication.state import LastAudit, PublishedDataset, PublishedFile, State
    from quality.standard import load_standard

    card = next(c for c in load_cards() if c.id == DATASET)
    standard, table = load_standard(card.standard), card.tables[0]
    export = TableExport("measures", standard.table(table.name), DATASET, table.sort, table.coordinates, table.temporal)
    now = datetime.now(UTC)
    with tree.publishing() as scratch, connect(attach=False) as con:
        con.execute(f"CREATE VIEW measures AS {_MEASURES}")
        write_parquet(con, export, scratch / "whole.parquet")
        new = tree.from_path(scratch / "whole.parquet")
        path = f"{card.folder}/{DATASET}.parquet"
        file = PublishedFile(
            path=path, table=table.name, format="parquet", sha256=new.sha256, bytes=new.bytes, rows=ROWS, modified=now
        )
        audit = LastAudit(status="passed", checks=0, failed=())
        dataset = PublishedDataset(
            version=1, issued=now, run_id="bench", fingerprint="", days=None, files=(file,), audit=audit
        )
        schemas = package.schemas(card, standard)
        files = {f"{card.folder}/{name}": tree.from_bytes(text) for name, text in schemas.items()}
        tree.replace(State(), State(datasets={DATASET: dataset}), {path: new} | files)


def _filter(at: random.Random) -> dict[str, str]:
    """A question people ask: a sensor over some days, a day of a commune, values beyond a threshold, a name."""
    sensor = f"capteur-{at.randrange(SENSORS):03}"
    day = date(2024, 1, 2) + timedelta(days=at.randrange(1000))
    quantity = at.choice(["température de l'air", "humidité de l'air", "particules PM10", "ozone"])
    level = f"{at.uniform(5, 90):.2f}"
    week = {"date__greater": f"{day}", "date__less": f"{day + timedelta(days=at.randrange(1, 30))}"}
    asked: list[dict[str, str]] = [
        {"capteur_id__exact": sensor, "grandeur__exact": quantity} | week,
        {"capteur_id__exact": sensor, "valeur__strictly_greater": level, "debut__sort": "desc"},
        {"commune_nom__exact": f"Commune {at.randrange(13)}", "date__exact": f"{day}"},
        {"grandeur__exact": quantity, "valeur__strictly_greater": level},
        {"valeur__less": level},
        {"capteur_nom__contains": f"TEUR {at.randrange(SENSORS)}", "debut__greater": f"{day}T06:00:00Z"},
        {"capteur_id__in": f"{sensor},capteur-{at.randrange(SENSORS):03}", "qualite__exact": "douteuse"} | week,
    ]
    return at.choice(asked)


def _group(at: random.Random) -> dict[str, str]:
    """The mean and the highest value of each commune, beyond a threshold."""
    level = f"{at.uniform(5, 60):.2f}"
    return {"commune_nom__groupby": "", "valeur__avg": "", "valeur__max": "", "valeur__greater": level}


def _sort(at: random.Random) -> dict[str, str]:
    """The highest values of all, below a threshold."""
    return {"valeur__sort": "desc", "valeur__less": f"{at.uniform(20, 90):.2f}"}


_KINDS: dict[str, Callable[[random.Random], dict[str, str]]] = {"filter": _filter, "group": _group, "sort": _sort}


def _questions(kind: str, client: int) -> list[str]:
    at = random.Random(f"{kind} {client}")  # noqa: S311 - the same questions each time, for both sides
    return [urlencode(_KINDS[kind](at)) for _ in range(REQUESTS[kind])]


def _ask(port: int, kind: str, client: int) -> list[float]:
    """Milliseconds of each request of one client, over one connection."""
    connection, taken = HTTPConnection("127.0.0.1", port), []
    for question in _questions(kind, client):
        start = time.perf_counter()
        connection.request("GET", f"/api/resources/{DATASET}/data/?{question}")
        answer = connection.getresponse()
        body = answer.read()
        taken.append((time.perf_counter() - start) * 1000)
        if answer.status in (422, 503):  # a machine too busy with other work: said in the table, not hidden
            taken[-1] = inf
        elif answer.status != 200:
            raise RuntimeError(f"{question}: {answer.status} {body[:500].decode()}")
    connection.close()
    return taken


def _at_once(work: Callable[[int], list[float]]) -> list[float]:
    """What `CLIENTS` at once took."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        return [ms for taken in clients.map(work, range(CLIENTS)) for ms in taken]


def limit(kind: str) -> float:
    """Median milliseconds of the same SQL from as many threads, a cursor each, on one bare DuckDB."""
    import duckdb

    from publication.api.engine import COUNTED_ON
    from publication.api.query import parse
    from publication.resources import current

    tree = current()
    if tree is None:
        raise RuntimeError("nothing is published here; run `publish` first")
    resource = tree.resources[DATASET]
    con = duckdb.connect(config={"threads": os.cpu_count() or 1})
    con.execute("SET GLOBAL TimeZone = 'UTC'")

    def answer(cursor: duckdb.DuckDBPyConnection, resource: Resource, question: str) -> float:
        source = f"read_parquet('{resource.parquet}', file_row_number = true)"
        start = time.perf_counter()
        query = parse(resource, parse_qsl(question, keep_blank_values=True))
        values: list[Any] = list(query.values)
        rows = cursor.execute(query.json_rows(source, query.page_size, 0), values).fetchall()
        if len(rows) == query.page_size:
            cursor.execute(query.count(source, query.page_size + COUNTED_ON + 1), values).fetchall()
        return (time.perf_counter() - start) * 1000

    def client(number: int) -> list[float]:
        with con.cursor() as cursor:
            return [answer(cursor, resource, question) for question in _questions(kind, number)]

    return median(_at_once(client))


def _cpu_seconds(pid: int) -> float:
    """Processor time a process has taken, of its own and of the system for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    """The most memory a process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    """Until the server answers."""
    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError("the server ended at once")
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the server does not answer after 30 seconds")


def run(home: Path) -> list[Result]:
    """Publish, serve, ask; then the limit."""
    here = home / "bench" / "data_api"
    environment = os.environ | {"DATANEVERS_HOME": str(here)}

    def child(*arguments: str) -> str:
        command = [sys.executable, "-m", "benchmarks.data_api", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"data_api {arguments}: {done.stderr[-2000:]}")
        return done.stdout

    if not (here / "publication").exists():
        child("publish")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.data_api", "serve", str(port)]
    taken: dict[str, list[float]] = {}
    loads: dict[str, float] = {}
    cpu_ms: dict[str, float] = {}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait(port, server)
            for kind in _KINDS:
                loads[kind] = os.getloadavg()[0]
                before = _cpu_seconds(server.pid)
                taken[kind] = _at_once(lambda client, kind=kind: _ask(port, kind, client))
                cpu_ms[kind] = (_cpu_seconds(server.pid) - before) * 1000 / len(taken[kind])
            peak = _peak_mb(server.pid)
        finally:
            server.terminate()
    results = []
    for kind, times in taken.items():
        bare = json.loads(child("limit", kind).splitlines()[-1])
        refused = sum(map(isinf, times))
        told = f"the same SQL in bare DuckDB, {CLIENTS} threads (load before: {loads[kind]:.1f}, refused: {refused})"
        results += [
            Result(f"api {kind}, median of {CLIENTS} clients", median(times), "ms", told, bare / median(times), peak),
            Result(
                f"api {kind}, processor time a request",
                cpu_ms[kind],
                "ms",
                f"{MEDIAN_MS} ms on {os.cpu_count()} processors nobody else uses",
                MEDIAN_MS * (os.cpu_count() or 1) / CLIENTS / cpu_ms[kind],
                peak,
            ),
            Result(
                f"api {kind}, 95th percentile",
                quantiles(times, n=20)[-1],
                "ms",
                f"median of at most {MEDIAN_MS} ms",
                MEDIAN_MS / median(times),
                peak,
            ),
        ]
    results.append(Result("api server, peak", peak, "MB", f"at most {PEAK_MB} MB", PEAK_MB / peak, peak))
    return results


def main(what: str, *arguments: str) -> None:
    """The child process."""
    if what == "publish":
        publish()
    elif what == "serve":
        from publication.serve import serve

        serve(int(arguments[0]))
    else:
        print(json.dumps(limit(arguments[0])))


if __name__ == "__main__":
    main(*sys.argv[1:])
