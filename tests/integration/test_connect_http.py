"""HTTP connectors against a real server with a bad temper: pages, validators, back-off, resumption, limits."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.connectors.collect import Fetched, collect
from tests.integration.servers import Asked, Reply, Site, connector, document, http_site, python, until, with_etag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import House

NOW = datetime(2026, 10, 5, 9, 30, 12, 500, tzinfo=UTC)
STAMP = "20261005T093012Z"


@pytest.fixture
def site() -> Iterator[Site]:
    with http_site() as made:
        yield made


class Asker:
    """Collects the source `feed` as often as asked, and keeps the waits instead of waiting."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.folder = house.landing / "feed"
        self.waits: list[float] = []

    def __call__(self, *, now: datetime = NOW, force: bool = True, **declared: Any) -> Fetched:
        wanted = connector(kind="http", **declared)
        return collect("feed", wanted, self.house.landing, now=now, force=force, sleep=self.waits.append)

    def landed(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted(self.folder.iterdir())} if self.folder.is_dir() else {}


@pytest.fixture
def ask(house: House) -> Asker:
    return Asker(house)


def pages_of(site: Site, bodies: list[bytes], *, path: str = "/api") -> str:
    """An API that links from one page to the next, with an ETag of each body."""

    def answer(asked: Asked) -> Reply:
        number = int(asked.query.get("page", "1"))
        body = bodies[number - 1]
        return with_etag(body, f'"{hashlib.sha256(body).hexdigest()}"')(asked)

    return site.script(path, answer)


def linked(site: Site, counts: list[int], *, path: str = "/api") -> list[bytes]:
    """Bodies of linked pages; spacing and digits that no JSON library would write."""
    bodies = []
    for number, count in enumerate(counts, 1):
        records = ", ".join(f'{{"n":{number * 100 + i},"v":1.50e0}}' for i in range(count))
        following = f'"{site.url}{path}?page={number + 1}"' if number < len(counts) else "null"
        bodies.append(f'{{ "count":{sum(counts)},\n "next":{following},"data" : [{records}]}}'.encode())
    return bodies


LINKED: dict[str, Any] = {"pages": {"next": "next"}}


def test_pages_land_as_received_and_unchanged_ones_do_not_land_again(ask: Asker, site: Site) -> None:
    bodies = linked(site, [3, 3, 1])
    url = pages_of(site, bodies)
    first = ask(url=url, **LINKED)
    assert ask.landed() == {f"feed_{STAMP}_p000{n}.json": body for n, body in enumerate(bodies, 1)}
    assert first.failures == ()
    assert first.files == tuple(ask.landed())
    assert first.bytes == sum(map(len, bodies))

    later = NOW + timedelta(hours=1)
    again = ask(now=later, url=url, **LINKED)
    assert again.files == ()
    assert [(o.status, o.http_status) for o in again.outcomes] == [("not_modified", 304)] * 3
    assert len(site.asked) == 6, "an unchanged first page must not end the walk"

    bodies[2] = linked(site, [3, 3, 2])[2]
    changed = ask(now=later, url=url, **LINKED)
    assert changed.files == ("feed_20261005T103012Z_p0003.json",)
    assert ask.landed()[changed.files[0]] == bodies[2]
    told = ask.house.sql("SELECT status, http_status, count(*) FROM ops.fetch GROUP BY ALL ORDER BY ALL")
    assert told == [("fetched", 200, 4), ("not_modified", 304, 5)]


def test_a_body_without_validators_lands_once(ask: Asker, site: Site) -> None:
    url = site.script("/all.csv", Reply(b"a;b\n1;2\n"), Reply(b"a;b\n1;2\n"), Reply(b"a;b\n1;3\n"))
    for hours in range(3):
        ask(now=NOW + timedelta(hours=hours), url=url, extension="csv", name="stock")
    assert ask.landed() == {
        f"stock_{STAMP}_p0001.csv": b"a;b\n1;2\n",
        "stock_20261005T113012Z_p0001.csv": b"a;b\n1;3\n",
    }
    assert ask.house.sql("SELECT status FROM ops.fetch ORDER BY fetched_time") == [
        ("fetched",),
        ("not_modified",),
        ("fetched",),
    ]


def test_last_modified_is_sent_back(ask: Asker, site: Site) -> None:
    stamp = format_datetime(NOW, usegmt=True)

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("If-Modified-Since") == stamp:
            return Reply(status=304)
        return Reply(b"zip", headers={"Last-Modified": stamp})

    url = site.script("/gtfs.zip", answer)
    assert ask(url=url, extension="zip").files == (f"feed_{STAMP}_p0001.zip",)
    assert [o.status for o in ask(url=url, extension="zip").outcomes] == ["not_modified"]


def test_pages_by_cursor(ask: Asker, site: Site) -> None:
    bodies = {
        None: document(meta={"after": "à b&c"}, rows=[1, 2]),
        "à b&c": document(meta={"after": 17}, rows=[3]),
        "17": document(meta={"after": None}, rows=[]),
    }
    url = site.script("/events", lambda asked: Reply(bodies[asked.query.get("after")]))
    done = ask(url=url, params={"size": 2, "open": True}, pages={"cursor": "meta.after", "parameter": "after"})
    assert done.failures == ()
    assert list(ask.landed().values()) == list(bodies.values())
    assert [a.query for a in site.asked] == [
        {"size": "2", "open": "true"},
        {"size": "2", "open": "true", "after": "à b&c"},
        {"size": "2", "open": "true", "after": "17"},
    ]


@pytest.mark.parametrize(
    ("sizes", "requests", "files"), [([2, 2, 0], 3, 2), ([2, 1], 2, 2), ([0], 1, 1)], ids=["empty", "short", "nothing"]
)
def test_numbered_pages(ask: Asker, site: Site, sizes: list[int], requests: int, files: int) -> None:
    url = site.script("/list", lambda a: Reply(document(data=[{"n": i} for i in range(sizes[int(a.query["p"])])])))
    pages = {"parameter": "p", "first": 0, "records": "data", "size": 2, "size_parameter": "per"}
    done = ask(url=url, pages=pages)
    assert done.failures == ()
    assert [a.query for a in site.asked] == [{"p": str(n), "per": "2"} for n in range(requests)]
    assert len(ask.landed()) == files
    assert [o.rows for o in done.outcomes] == sizes


def test_a_root_array_has_pages_too(ask: Asker, site: Site) -> None:
    url = site.script("/list", lambda a: Reply(json.dumps([[], {}] if a.query["p"] == "1" else []).encode()))
    done = ask(url=url, pages={"parameter": "p", "records": ""})
    assert [o.rows for o in done.outcomes] == [2, 0]


def test_partial_content_that_nobody_asked_for_is_a_page(ask: Asker, site: Site) -> None:
    """Hub'Eau says 206 when more pages follow."""
    bodies = linked(site, [2, 1])
    url = site.script(
        "/api", lambda a: Reply(bodies[int(a.query.get("page", "1")) - 1], 200 if "page" in a.query else 206)
    )
    assert [o.http_status for o in ask(url=url, **LINKED).outcomes] == [206, 200]
    assert list(ask.landed().values()) == bodies


def test_waits_as_long_as_the_server_asks_and_longer_each_time_else(ask: Asker, site: Site) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    url = site.script(
        "/busy",
        Reply(status=429, headers={"Retry-After": "7"}),
        Reply(status=503, headers={"Retry-After": date}),
        Reply(status=502, headers={"Retry-After": "soon"}),
        Reply(status=500),
        Reply(b"1"),
    )
    assert ask(url=url).failures == ()
    assert 7 <= ask.waits[0] <= 8
    assert 85 <= ask.waits[1] <= 91
    assert 4 <= ask.waits[2] <= 8
    assert 8 <= ask.waits[3] <= 16
    assert len(site.asked) == 5


def test_a_storm_ends_in_a_row_of_ops_and_the_next_try_goes_on_from_there(ask: Asker, site: Site) -> None:
    bodies, storm = linked(site, [2, 2, 2]), {"on": True}

    def answer(asked: Asked) -> Reply:
        page = int(asked.query.get("page", "1"))
        return Reply(status=500) if page == 2 and storm["on"] else Reply(bodies[page - 1])

    url = site.script("/api", answer)
    done = ask(url=url, attempts=4, **LINKED)
    assert site.count(page="2") == 4
    assert len(ask.waits) == 3
    assert done.failures == (f"feed : {site.url}/api : HTTP 500 (après 4 essais)",)
    assert ask.house.sql("SELECT status, http_status, reason FROM ops.fetch WHERE status = 'failed'") == [
        ("failed", 500, f"{site.url}/api : HTTP 500 (après 4 essais)")
    ]
    storm["on"] = False
    assert ask(now=NOW + timedelta(minutes=20), url=url, attempts=4, **LINKED).failures == ()
    assert len(site.asked) == 1 + 4 + 2, "the first page was finished"
    assert list(ask.landed()) == [f"feed_{STAMP}_p000{n}.json" for n in (1, 2, 3)]
    assert list(ask.landed().values()) == bodies


def test_a_server_that_asks_for_too_long_a_wait_is_left_alone(ask: Asker, site: Site) -> None:
    url = site.script("/busy", Reply(status=429, headers={"Retry-After": "86400"}))
    (failure,) = ask(url=url, total_s=600).failures
    assert "HTTP 429, attente demandée 86400 s (après 1 essais)" in failure
    assert ask.waits == []


def test_a_page_that_the_server_forgot_means_from_the_start(ask: Asker, site: Site) -> None:
    bodies = linked(site, [1, 1])
    first, second = (lambda _: Reply(bodies[0])), (lambda _: Reply(bodies[1]))
    url = site.script("/api", first, Reply(status=410), first, second)
    assert ask(url=url, **LINKED).failures
    assert ask(now=NOW + timedelta(minutes=1), url=url, **LINKED).failures == ()
    assert [a.query.get("page") for a in site.asked] == [None, "2", None, "2"]
    assert list(ask.landed()) == [f"feed_{STAMP}_p0001.json", "feed_20261005T093112Z_p0002.json"]


def test_pages_that_never_end_are_given_up(ask: Asker, site: Site) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(document(next=f"/turn?n={int(asked.query.get('n', '1')) + 1}"))

    (failure,) = ask(url=site.script("/turn", answer), pages={"next": "next", "limit": 5}).failures
    assert "plus de 5 pages" in failure
    assert len(site.asked) == 5
    (failure,) = ask(url=site.script("/self", Reply(document(next="/self?n=1"))), **LINKED).failures
    assert "la page elle-même" in failure


def test_a_line_cut_in_mid_body_goes_on_where_it_was(ask: Asker, site: Site) -> None:
    body = random.Random(1).randbytes(3_000_000)

    def cut(asked: Asked) -> Reply:
        whole = with_etag(body)(asked)
        return Reply(whole.body, whole.status, whole.headers, cut=1_000_000)

    url = site.script("/big.zip", cut, cut, with_etag(body))
    assert ask(url=url, extension="zip").failures == ()
    assert list(ask.landed().values()) == [body]
    ranges = [a.headers.get("Range") for a in site.asked]
    assert ranges == [None, "bytes=1000000-", "bytes=2000000-"]


def test_a_cut_body_that_has_changed_since_starts_again(ask: Asker, site: Site) -> None:
    old, new = random.Random(1).randbytes(300_000), random.Random(2).randbytes(200_000)
    url = site.script("/big.zip", lambda a: Reply(old, 200, {"ETag": '"old"'}, cut=100_000), with_etag(new, '"new"'))
    assert ask(url=url, extension="zip").failures == ()
    assert site.asked[1].headers["Range"] == "bytes=100000-"
    assert list(ask.landed().values()) == [new]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}], ids=["no validator", "weak"])
def test_a_cut_body_that_cannot_be_proven_the_same_starts_again(
    ask: Asker, site: Site, headers: dict[str, str]
) -> None:
    body = b"x" * 200_000
    url = site.script("/big.zip", Reply(body, headers=headers, cut=100_000), Reply(body, headers=headers))
    assert ask(url=url, extension="zip").failures == ()
    assert "Range" not in site.asked[1].headers
    assert list(ask.landed().values()) == [body]


def test_a_server_that_answers_another_range_is_not_believed(ask: Asker, site: Site) -> None:
    body = random.Random(3).randbytes(200_000)
    wrong = {"ETag": '"v1"', "Content-Range": "bytes 0-99/200000"}
    url = site.script(
        "/f.zip", Reply(body, headers={"ETag": '"v1"'}, cut=50_000), Reply(body[:100], 206, wrong), Reply(body)
    )
    assert ask(url=url, extension="zip").failures == ()
    assert list(ask.landed().values()) == [body]


def test_compression_is_undone_and_limits_hold(ask: Asker, site: Site) -> None:
    small, bomb = b'{"a": 1}', gzip.compress(b" " * 30_000_000)
    packed = {"Content-Encoding": "gzip"}
    assert ask(url=site.script("/a", Reply(gzip.compress(small), headers=packed)), max_mb=1).failures == ()
    assert list(ask.landed().values()) == [small]
    for reply in (Reply(bomb, headers=packed), Reply(b" " * 1_500_000)):
        (failure,) = ask(url=site.script("/bomb", reply), max_mb=1).failures
        assert "corps de plus de 1 Mo" in failure
    assert list(ask.landed().values()) == [small], "nothing of a refused body stays"


def test_a_silent_server_is_given_up(ask: Asker, site: Site) -> None:
    url = site.script("/quiet", Reply(b"12345", hold=True, cut=2))
    (failure,) = ask(url=url, timeout_s=1, attempts=1).failures
    assert "ReadTimeout" in failure


def test_what_is_no_json_does_not_land_as_a_page(ask: Asker, site: Site) -> None:
    url = site.script("/api", Reply(b"<html>maintenance</html>"), Reply(document(data=[])))
    (failure,) = ask(url=url, **LINKED).failures
    assert "pas du JSON" in failure
    (failure,) = ask(url=url, pages={"parameter": "page", "records": "rows"}).failures
    assert "sans tableau « rows »" in failure
    assert ask.landed() == {}


def test_an_authority_that_cannot_be_read_is_a_failure(
    ask: Asker, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FEED_CA", str(tmp_path / "none.pem"))
    (failure,) = ask(url=f"{site.url}/a", ca_env="FEED_CA").failures
    assert "FileNotFoundError" in failure


def test_asked_again_only_when_it_is_time(ask: Asker, site: Site) -> None:
    url = site.script("/one", Reply(b"1"))
    minutes = (0, 30, 59, 61)
    done = [ask(now=NOW + timedelta(minutes=m), force=False, url=url, every_min=60) for m in minutes]
    assert [d.skipped is None for d in done] == [True, False, True, False]
    assert len(site.asked) == 2


def test_several_resources_of_which_one_fails(ask: Asker, site: Site) -> None:
    good = {"url": site.script("/status.json", Reply(b"{}")), "name": "station_status"}
    bad = {"url": f"{site.url}/gone.json", "name": "station_information"}
    done = ask(resources=[bad, good])
    assert list(ask.landed()) == [f"station_status_{STAMP}_p0001.json"]
    assert done.failures == (f"station_information : {site.url}/gone.json : HTTP 404",)


SINCE: dict[str, Any] = {
    "since": {"parameter": "from", "column": "at", "records": "data", "overlap_min": 30, "first_days": 2}
}


def test_a_watermark_moves_with_the_data_and_only_when_all_pages_are_in(ask: Asker, site: Site) -> None:
    answers = {
        None: document(data=[{"at": "2026-10-05T08:00:00Z"}, {"at": None}], next="/obs?page=2"),
        "2": document(data=[{"at": "2026-10-05T09:00:00+02:00"}, {"at": "2099-01-01T00:00:00"}], next=None),
    }
    fail = {"on": True}
    url = site.script(
        "/obs",
        lambda a: Reply(status=404) if a.query.get("page") and fail["on"] else Reply(answers[a.query.get("page")]),
    )
    declared = {"url": url, **LINKED, **SINCE}
    assert ask(**declared).failures
    fail["on"] = False
    assert ask(**declared).failures == ()
    answers[None] = document(data=[], next=None)
    assert ask(now=NOW + timedelta(hours=1), **declared).failures == ()
    sent = [a.query["from"] for a in site.asked if "from" in a.query]
    # Two days back; the same, as the walk had not ended; then the latest, which is not in the future, less the overlap.
    assert sent == ["2026-10-03T09:30:12Z", "2026-10-03T09:30:12Z", "2026-10-05T09:00:12Z"]
    assert len(ask.landed()) == 2, "an answer without a record does not land"


def test_an_instant_that_is_none_fails_the_page(ask: Asker, site: Site) -> None:
    url = site.script("/obs", Reply(document(data=[{"at": "hier"}])))
    (failure,) = ask(url=url, **SINCE).failures
    assert "« at » n'est pas un instant ISO 8601 : 'hier'" in failure


# Death ------------------------------------------------------------------------------------------------------------

COLLECT = """
import json, sys
from datetime import datetime
from pathlib import Path
from ingestion.connectors.collect import collect
from tests.integration.servers import connector
declared, landing, now = json.loads(sys.argv[1]), Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
collect("feed", connector(kind="http", **declared), landing, now=now, force=True)
"""


def test_killed_between_pages_finished_pages_are_not_asked_for_again(ask: Asker, site: Site) -> None:
    bodies = linked(site, [2] * 4)
    held = {"left": 1}

    def answer(asked: Asked) -> Reply:
        page = int(asked.query.get("page", "1"))
        hold = page == 3 and held["left"] > 0
        held["left"] -= hold
        return Reply(bodies[page - 1], hold=hold, cut=20 if hold else None)

    declared = {"url": site.script("/api", answer), **LINKED}
    process = python(COLLECT, json.dumps(declared), str(ask.house.landing), NOW.isoformat())
    until(site.held.is_set, "the third page", 60)
    process.kill()
    process.wait(timeout=30)
    site.release.set()
    assert ask(now=NOW + timedelta(minutes=5), **declared).failures == ()
    assert [a.query.get("page") for a in site.asked] == [None, "2", "3", "3", "4"]
    assert ask.landed() == {f"feed_{STAMP}_p000{n}.json": body for n, body in enumerate(bodies, 1)}


def test_killed_in_a_long_download_what_is_safe_is_not_asked_for_again(ask: Asker, site: Site) -> None:
    body = random.Random(4).randbytes(20_000_000)
    first = True

    def answer(asked: Asked) -> Reply:
        nonlocal first
        whole = with_etag(body)(asked)
        hold, first = first, False
        return Reply(whole.body, whole.status, whole.headers, hold=hold, cut=18_000_000 if hold else None)

    declared = {"url": site.script("/big.zip", answer), "extension": "zip"}
    process = python(COLLECT, json.dumps(declared), str(ask.house.landing), NOW.isoformat())
    note = ask.folder / f"feed_{STAMP}_p0001.zip.resume.part"
    until(lambda: note.exists() and json.loads(note.read_text())["saved"] >= 16_000_000, "16 MB", 60)
    process.kill()
    process.wait(timeout=30)
    site.release.set()
    assert ask(now=NOW + timedelta(minutes=5), **declared).failures == ()
    start = int(site.asked[1].headers["Range"].removeprefix("bytes=").rstrip("-"))
    assert start >= 16_000_000
    assert ask.landed() == {f"feed_{STAMP}_p0001.zip": body}


# Credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "value", "sent"),
    [
        ({}, "tok-7f3a9c", {"Authorization": "Bearer tok-7f3a9c"}),
        ({"auth": "basic"}, "user:pa/ss", {"Authorization": "Basic dXNlcjpwYS9zcw=="}),
        ({"auth": "header", "auth_name": "X-Api-Key"}, "k e y", {"X-Api-Key": "k e y"}),
    ],
)
def test_credentials_are_sent_to_their_origin_and_to_no_other(
    ask: Asker, site: Site, monkeypatch: pytest.MonkeyPatch, declared: dict[str, str], value: str, sent: dict[str, str]
) -> None:
    monkeypatch.setenv("FEED_AUTH", value)
    with http_site() as other:
        elsewhere = other.script("/b", Reply(document(next=f"{site.url}/c")))
        site.script("/start", Reply(status=302, headers={"Location": "/a"}))
        site.script("/a", Reply(document(next=elsewhere)))
        site.script("/c", Reply(status=307, headers={"Location": f"{other.url}/d"}))
        other.script("/d", Reply(document(next=None)))
        assert ask(url=f"{site.url}/start", auth_env="FEED_AUTH", **LINKED, **declared).failures == ()
        assert [a.path for a in site.asked] == ["/start", "/a", "/c"]
        assert all(sent.items() <= a.headers.items() for a in site.asked)
        assert [a.path for a in other.asked] == ["/b", "/d"]
        assert not any(name in a.headers for a in other.asked for name in sent)


def test_a_token_in_the_query_is_never_kept(
    ask: Asker, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that repeats the token in its links: the walk goes on with it, landing and ops never see it."""
    token = "qz/7f3a9c+11e6=="
    monkeypatch.setenv("FEED_TOKEN", token)

    def answer(asked: Asked) -> Reply:
        assert asked.query["token"] == token
        page = int(asked.query.get("page", "1"))
        if page == 3:
            return Reply(status=404)
        link = f"{site.url}/api?page={page + 1}&token=qz%2F7f3a9c%2B11e6%3D%3D"
        return Reply(json.dumps({"next": link, "echo": token}).encode(), cut=None)

    url = site.script("/api", answer)
    done = ask(url=url, auth_env="FEED_TOKEN", auth="query", auth_name="token", **LINKED)
    assert [o.status for o in done.outcomes] == ["fetched", "fetched", "failed"]
    left = b"".join(p.read_bytes() for p in ask.house.home.rglob("*") if p.is_file())
    assert b"7f3a9c" not in left
    assert b'"echo": "****************"' in left
