"""A collection that dies at any of its steps, and the next one: nothing is lost, what was finished is not done again.

The steps are the moments between which a process leaves something behind: a file that gets its name, a row of state, a
row of outcome. At each of them in turn, the process is ended on the spot.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.connectors import arrival, collect, http, sftp, sql, state
from tests.integration.servers import (
    Asked,
    Reply,
    connector,
    document,
    http_site,
    mariadb,
    postgresql,
    python,
    sftp_server,
    with_etag,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import House

NOW = datetime(2026, 10, 5, 9, 30, 12, tzinfo=UTC)


class Killed(BaseException):
    """No `except Exception` stops it, as none stops a kill."""


def collected(
    house: House, declared: dict[str, Any], *, at: int | None = None, after: bool = False, minutes: int = 0
) -> int:
    """Collect, and die just before (or after) step number `at`; the number of steps done."""
    steps = 0

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == at and not after:
                raise Killed
            done = real(*args, **kwargs)
            if steps == at:
                raise Killed
            return done

        return step

    with house.lived_in(), pytest.MonkeyPatch.context() as patch:
        for module in (http, sql, sftp):
            patch.setattr(module, "land", dying(arrival.land))
        patch.setattr(arrival, "record", dying(state.record))
        patch.setattr(state.State, "put", dying(state.State.put))
        now = NOW + timedelta(minutes=minutes)
        try:
            done = collect.collect("feed", connector(**declared), house.landing, now=now, force=True)
        except Killed:
            return steps
        assert done.failures == ()
        return steps


def every_death(
    new_house: Callable[[], House], declared: dict[str, Any], check: Callable[[House], None], reset: Callable[[], None]
) -> None:
    reset()
    total = collected(new_house(), declared)
    assert total >= 4
    for at in range(1, total + 1):
        for after in (False, True):
            house = new_house()
            reset()
            assert collected(house, declared, at=at, after=after) == at
            collected(house, declared, minutes=7)
            check(house)


def test_pages(new_house: Callable[[], House]) -> None:
    with http_site() as site:
        bodies = [document(next=f"/api?page={n + 1}" if n < 3 else None, data=[n]) for n in (1, 2, 3)]
        declared = {"kind": "http", "url": f"{site.url}/api", "pages": {"next": "next"}}

        def reset() -> None:
            site.asked.clear()
            site.script("/api", answer)

        def answer(asked: Asked) -> Reply:
            number = int(asked.query.get("page", "1"))
            return with_etag(bodies[number - 1], f'"{number}"')(asked)

        def check(house: House) -> None:
            landed = {p.name: p.read_bytes() for p in sorted((house.landing / "feed").iterdir())}
            assert set(landed.values()) == set(bodies)
            assert not any(name.endswith(".part") for name in landed)
            whole = [a.query.get("page", "1") for a in site.asked if "If-None-Match" not in a.headers]
            assert len(whole) <= 4, "at most the page under way is fetched twice"

        every_death(new_house, declared, check, reset)


@pytest.mark.parametrize("server", [postgresql, mariadb])
def test_rows(new_house: Callable[[], House], server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "FILE_ROWS", 2)
    with server() as database:
        monkeypatch.setenv("ROWS_URL", database.url)
        database.run("CREATE TABLE r (id int)", "INSERT INTO r VALUES (1), (2), (3)")
        query = {"table": "r", "sql": "SELECT id FROM r", "watermark": "id"}

        def check(house: House) -> None:
            lines = [
                json.loads(line)["id"]
                for path in sorted((house.landing / "feed").iterdir())
                for line in gzip.decompress(path.read_bytes()).splitlines()
            ]
            assert set(lines) == {1, 2, 3}
            assert len(lines) <= 3 + 2 + 1, "the file under way, and the row that the watermark stands on"

        every_death(new_house, {"kind": "sql", "url_env": "ROWS_URL", "queries": [query]}, check, lambda: None)


def test_files(new_house: Callable[[], House], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with sftp_server(tmp_path / "remote") as server:
        monkeypatch.setenv("DATANEVERS_SFTP_KNOWN_HOSTS", str(server.known_hosts(tmp_path / "hosts")))
        monkeypatch.setenv("FILES_URL", f"sftp://territoire:s3cret%2Fde%23test@127.0.0.1:{server.port}")
        for name in ("a.csv", "b.csv"):
            server.put(name, name.encode(), (NOW - timedelta(days=1)).timestamp())

        def check(house: House) -> None:
            landed = {p.name: p.read_bytes() for p in (house.landing / "feed").iterdir()}
            assert landed == {"a.csv": b"a.csv", "b.csv": b"b.csv"}
            assert len(server.reads) <= 3, "at most the file under way is fetched twice"

        every_death(new_house, {"kind": "sftp", "url_env": "FILES_URL"}, check, server.reads.clear)


MEASURE = """
import json, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from ingestion.connectors.collect import collect
from tests.integration.servers import connector
def peak(url, **declared):
    wanted = connector(kind="http", url=url, **declared)
    done = collect("feed", wanted, Path(sys.argv[1]), now=datetime.now(UTC), force=True)
    assert not done.failures, done.failures
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
paged = {"pages": {"next": "next"}, "since": {"parameter": "s", "column": "at", "records": "data"}}
before = peak(sys.argv[2] + "/small.zip", extension="zip"), peak(sys.argv[2] + "/small.json", name="p", **paged)
after = peak(sys.argv[2] + "/large.zip", extension="zip"), peak(sys.argv[2] + "/large.json", name="p", **paged)
Path(sys.argv[1], "grown_kb").write_text(str(after[1] - before[1]))
"""


def test_memory_does_not_grow_with_a_body(house: House, tmp_path: Path) -> None:
    with http_site() as site:
        record = '{"at":"2026-10-05T08:00:00Z","text":"' + "x" * 400 + '"}'
        for name, times in (("small", 10), ("large", 120_000)):
            site.script(f"/{name}.zip", Reply(b"PK" * times * 500))
            site.script(f"/{name}.json", Reply(('{"data":[' + ",".join([record] * times) + "]}").encode()))
        process = python(MEASURE, str(tmp_path), site.url)
        _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert int((tmp_path / "grown_kb").read_text()) < 30_000, "120 MB and 53 MB went through"
