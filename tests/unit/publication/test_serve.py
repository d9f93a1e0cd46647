"""The embedded server: right types, conditional and partial requests, and nothing but the published tree.

Each rule of HTTP is asked of the application and of a real server process, over a socket, paths as they are written.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING, NamedTuple

import pytest
from starlette.testclient import TestClient

from publication.publish import publish
from publication.serve import application
from quality.audit import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from publication.card import Card

Verdicts = Callable[..., dict[str, Verdict]]
CARPOOL = "/datasets/lieux-covoiturage"
CSV = f"{CARPOOL}/lieux-covoiturage.csv"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def portal(published_portal: Path) -> Path:
    """The home of a published tree, with a secret beside it."""
    (published_portal / "secret.txt").write_text("secret")
    return published_portal


@pytest.fixture(scope="module", params=["application", "process"])
def ask(request: pytest.FixtureRequest, portal: Path) -> Iterator[Ask]:
    """Asks one request; nothing of the path is tidied up on the way, and no redirect is followed."""
    if request.param == "process":
        yield from _ask_process(portal)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(portal))
        with TestClient(application(), follow_redirects=False) as client:

            def asked(path: str, method: str = "GET", **headers: str) -> Answer:
                # as a program would that adds nothing of its own
                plain = {"accept-encoding": "identity"} | {k.replace("_", "-"): v for k, v in headers.items()}
                with client.stream(method, path, headers=plain) as answer:
                    return Answer(answer.status_code, dict(answer.headers), b"".join(answer.iter_raw()))

            yield asked


def _ask_process(portal: Path) -> Iterator[Ask]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", f"from publication.serve import serve; serve({port})"]
    log = portal / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, env=os.environ | {"DATANEVERS_HOME": str(portal)}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            assert server.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)

        def asked(path: str, method: str = "GET", **headers: str) -> Answer:
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
            connection.close()
            return found

        yield asked
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def client(
    home: Path, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Verdicts
) -> Iterator[TestClient]:
    publish(con, list(cards.values()), verdicts(), run_id="r")
    (home / "secret.txt").write_text("secret")
    with TestClient(application(), follow_redirects=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        (f"{CARPOOL}/", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/catalog.ttl", "text/turtle; charset=utf-8"),
        ("/catalog.jsonld", "application/ld+json"),
        ("/catalog.rdf", "application/rdf+xml"),
        (f"{CARPOOL}/lieux-covoiturage.csv", "text/csv; charset=utf-8"),
        (f"{CARPOOL}/lieux-covoiturage.geojson", "application/geo+json"),
        (f"{CARPOOL}/lieux-covoiturage.parquet", "application/vnd.apache.parquet"),
        (f"{CARPOOL}/schema.json", "application/json"),
    ],
)
def test_each_file_is_served_directly_with_its_type(ask: Ask, path: str, media_type: str) -> None:
    got, head = ask(path), ask(path, "HEAD")
    for answer in (got, head):
        assert answer.status == 200
        assert answer.headers["content-type"] == media_type
        assert int(answer.headers["content-length"]) == len(got.body) > 0
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["etag"].startswith('"')
        assert parsedate_to_datetime(answer.headers["last-modified"]).timestamp() <= time.time()
    assert head.body == b""
    assert head.headers["etag"] == got.headers["etag"]


@pytest.mark.parametrize("path", [CARPOOL, f"{CARPOOL}/", f"{CARPOOL}/."])
def test_a_folder_is_its_page_without_a_redirect(ask: Ask, path: str) -> None:
    answer = ask(path)
    assert answer.status == 200
    assert answer.body == ask(f"{CARPOOL}/").body
    # browsers go on to where its links start from, which is in this portal whatever was asked
    assert answer.headers.get("refresh", f"0; url={CARPOOL}/") == f"0; url={CARPOOL}/"


@pytest.mark.parametrize(
    "path",
    [
        "/.state.json",
        "/datasets",
        "/datasets/",
        "/datasets/.hidden",
        "/../secret.txt",
        "/datasets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/%252e%252e/secret.txt",
        "/datasets/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/%00",
        "/index.html%00.csv",
        "/" + "a" * 300,
        "/%ff%fe",
        "/nothing.csv",
    ],
)
def test_nothing_else_can_be_reached(ask: Ask, path: str) -> None:
    answer = ask(path)
    assert answer.status == 404
    assert b"secret" not in answer.body


def test_a_file_is_known_by_its_digest(ask: Ask, portal: Path) -> None:
    digest = hashlib.sha256((portal / "publication" / CSV[1:]).read_bytes()).hexdigest()
    tag = ask(CSV).headers["etag"]
    assert tag == f'"{digest[:32]}"'
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = ask(CSV, if_none_match=known)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == tag
    assert ask(CSV, if_none_match='"other"').status == 200
    when = ask(CSV).headers["last-modified"]
    assert ask(CSV, if_modified_since=when).status == 304
    assert ask(CSV, if_modified_since=when, if_none_match='"other"').status == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("bytes=0-7", 0, 8), ("bytes=5-", 5, None), ("bytes=-6", -6, None), ("BYTES=2-2", 2, 3)]
)
def test_a_part_of_a_file(ask: Ask, asked: str, start: int, end: int | None) -> None:
    whole = ask(CSV)
    part = ask(CSV, range=asked, accept_encoding="gzip")
    assert part.status == 206
    assert part.body == whole.body[start:end]
    first = start % len(whole.body)
    assert part.headers["content-range"] == f"bytes {first}-{first + len(part.body) - 1}/{len(whole.body)}"
    assert int(part.headers["content-length"]) == len(part.body)
    assert part.headers["content-type"] == "text/csv; charset=utf-8"
    assert part.headers["etag"] == whole.headers["etag"]
    assert "content-encoding" not in part.headers


def test_several_parts_at_once(ask: Ask) -> None:
    whole = ask(CSV)
    parts = ask(CSV, range="bytes=0-3,10-12")
    assert parts.status == 206
    kind, _, boundary = parts.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    pieces = [
        p.split(b"\r\n\r\n", 1)[1] for p in parts.body.split(f"--{boundary}".encode()) if b"content-range" in p.lower()
    ]
    assert [p.removesuffix(b"\r\n") for p in pieces] == [whole.body[0:4], whole.body[10:13]]
    assert int(parts.headers["content-length"]) == len(parts.body)


def test_ranges_that_cannot_be_met_or_mean_nothing(ask: Ask) -> None:
    whole = ask(CSV)
    beyond = ask(CSV, range="bytes=999999-")
    assert beyond.status == 416
    assert beyond.headers["content-range"] == f"bytes */{len(whole.body)}"
    for asked in ("bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=", "bytes=1-2;3", "bytes=" + "9" * 5000 + "-"):
        assert ask(CSV, range=asked).body == whole.body
    assert ask(CSV, "HEAD", range="bytes=0-3").status == 200


def test_a_part_of_a_file_that_changed_is_the_whole(ask: Ask) -> None:
    whole = ask(CSV)
    for same in (whole.headers["etag"], whole.headers["last-modified"]):
        assert ask(CSV, range="bytes=0-3", if_range=same).status == 206
    for other in ('"other"', f"W/{whole.headers['etag']}", "Thu, 01 Jan 1970 00:00:00 GMT"):
        answer = ask(CSV, range="bytes=0-3", if_range=other)
        assert (answer.status, answer.body) == (200, whole.body)


@pytest.mark.parametrize("path", ["/catalog.ttl", "/", CARPOOL + "/schema.json"])
def test_texts_are_compressed_for_who_asks(ask: Ask, path: str) -> None:
    plain = ask(path)
    assert "Accept-Encoding" in plain.headers["vary"]
    assert "content-encoding" not in plain.headers
    packed, head = ask(path, accept_encoding="gzip, br"), ask(path, "HEAD", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == head.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert int(packed.headers["content-length"]) == int(head.headers["content-length"]) == len(packed.body)
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert packed.headers["last-modified"] == plain.headers["last-modified"]
    assert packed.headers["etag"] != plain.headers["etag"]  # other bytes, another strong tag
    assert ask(path, accept_encoding="gzip", if_none_match=packed.headers["etag"]).status == 304
    for refused in ("gzip;q=0", "gzip; q=0.0, *", "br", "identity"):
        assert "content-encoding" not in ask(path, accept_encoding=refused).headers


def test_what_is_compressed_already_is_left_alone(ask: Ask) -> None:
    answer = ask(CSV.replace(".csv", ".parquet"), accept_encoding="gzip")
    assert "content-encoding" not in answer.headers
    assert "Accept-Encoding" not in answer.headers.get("vary", "")


def test_reading_is_all_that_can_be_done(ask: Ask) -> None:
    for path in (CSV, "/api/resources/", "/nothing"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
            answer = ask(path, method)
            assert answer.status == 405
            assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
        answer = ask(path, "OPTIONS")
        assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
        allowed = ask(
            path,
            "OPTIONS",
            origin="https://example.org",
            access_control_request_method="GET",
            access_control_request_headers="range",
        )
        assert allowed.status == 200
        assert allowed.headers["access-control-allow-origin"] == "*"
        assert "range" in allowed.headers["access-control-allow-headers"].lower()


def test_a_link_inside_the_tree_does_not_lead_outside(client: TestClient, home: Path) -> None:
    (home / "publication" / "escape.csv").symlink_to(home / "secret.txt")
    assert client.get("/escape.csv").status_code == 404


def test_a_new_publication_is_served_without_a_restart(
    client: TestClient, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Verdicts
) -> None:
    con.execute("UPDATE gold.lieux_covoiturage SET nbre_pl = 4321")
    publish(con, list(cards.values()), verdicts(), run_id="r2")
    assert "4321" in client.get(f"{CARPOOL}/lieux-covoiturage.csv").text


def test_a_server_started_before_the_first_publication_says_not_found(home: Path) -> None:
    with TestClient(application()) as client:
        assert client.get("/").status_code == 404
