"""The embedded server: right types, conditional and partial requests, and nothing but the published tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

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
def test_each_file_is_served_directly_with_its_type(client: TestClient, path: str, media_type: str) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type
        assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/.state.json",
        "/datasets/",
        "/datasets/.hidden",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/datasets/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/%00",
        "/nothing.csv",
    ],
)
def test_nothing_else_can_be_reached(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_link_inside_the_tree_does_not_lead_outside(client: TestClient, home: Path) -> None:
    (home / "publication" / "escape.csv").symlink_to(home / "secret.txt")
    assert client.get("/escape.csv").status_code == 404


def test_conditional_and_partial_requests(client: TestClient) -> None:
    csv = client.get(f"{CARPOOL}/lieux-covoiturage.csv")
    assert client.get(csv.url, headers={"If-None-Match": csv.headers["etag"]}).status_code == 304
    part = client.get(csv.url, headers={"Range": "bytes=0-7"})
    assert part.status_code == 206
    assert part.content == b"id_local"
    assert part.headers["content-type"] == "text/csv; charset=utf-8"
    assert client.get(csv.url, headers={"Origin": "https://example.org"}).headers["access-control-allow-origin"] == "*"
    assert client.post(csv.url).status_code == 405


def test_a_new_publication_is_served_without_a_restart(
    client: TestClient, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Verdicts
) -> None:
    con.execute("UPDATE gold.lieux_covoiturage SET nbre_pl = 4321")
    publish(con, list(cards.values()), verdicts(), run_id="r2")
    assert "4321" in client.get(f"{CARPOOL}/lieux-covoiturage.csv").text


def test_a_server_started_before_the_first_publication_says_not_found(home: Path) -> None:
    with TestClient(application()) as client:
        assert client.get("/").status_code == 404
