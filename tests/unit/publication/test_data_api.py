"""The data API: filters mean what they say, pages add up, limits hold, and hostile requests are refused in plain words."""

from __future__ import annotations

import csv
import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from publication.api import engine as limits
from publication.serve import application

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTS = "/api/resources/comptages-mobilite_measure"
CARPOOL = "/api/resources/lieux-covoiturage"


@pytest.fixture(scope="module")
def api(published_portal: Path) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(published_portal))
        with TestClient(application(), follow_redirects=False) as client:
            yield client


def rows(api: TestClient, query: str, resource: str = COUNTS) -> list[dict[str, Any]]:
    answer = api.get(f"{resource}/data/?{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_a_page_has_the_published_shape(api: TestClient) -> None:
    answer = api.get(f"{COUNTS}/data/?page=2&page_size=5").json()
    assert [row["__id"] for row in answer["data"]] == [6, 7, 8, 9, 10]
    assert answer["data"][0]["start_datetime"] == "2026-03-29T03:00:00Z"
    assert answer["meta"] == {"page": 2, "page_size": 5, "total": 12, "total_is_exact": True}
    assert answer["links"]["profile"] == f"http://testserver{COUNTS}/profile/"
    assert answer["links"]["swagger"] == f"http://testserver{COUNTS}/swagger/"
    seen = [row["__id"] for row in answer["data"]]
    after = api.get(answer["links"]["next"]).json()
    before = api.get(answer["links"]["prev"]).json()
    assert [r["__id"] for r in before["data"]] + seen + [r["__id"] for r in after["data"]] == list(range(1, 13))
    assert after["links"]["next"] is before["links"]["prev"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("count__exact=12.5", [3]),
        ("count__differs=12.5", [1, 2, *range(4, 13)]),
        ("count__greater=10", [3, 11, 12]),
        ("count__strictly_greater=10", [3, 12]),
        ("count__less=4", [1, 4, 5]),
        ("count__strictly_less=4", [1, 4]),
        ("count__in=4,5,99", [5, 6]),
        ("count__notin=4,5", [1, 3, 4, *range(7, 13)]),
        ("count__isnull", [2]),
        ("count__isnotnull=&count__less=1", [1, 4]),
        ("channel_id__contains=c", list(range(1, 13))),
        ("channel_id__notcontains=C1", []),
        ("start_datetime__less=2026-03-29T00:00:00%2B01:00", [1, 2]),
        ("start_datetime__less=2026-03-29T00:00:00+01:00", [1, 2]),
        ("start_datetime__strictly_greater=2026-03-29T08:00:00", [12]),
        ("count__sort=desc", [3, 12, 11, 10, 9, 8, 7, 6, 5, 4, 1, 2]),
        ("count__sort=asc&page_size=3", [1, 4, 5]),
    ],
)
def test_operators(api: TestClient, query: str, found: list[int]) -> None:
    assert [row["__id"] for row in rows(api, query)] == found


def test_text_is_matched_as_it_is_written(api: TestClient) -> None:
    def named(query: str) -> list[str]:
        return [row["id_local"] for row in rows(api, query + "&columns=id_local", CARPOOL)]

    assert named("nom_lieu__contains=CÔTÉ") == ["58194-C-002"]
    assert named("nom_lieu__contains=%25") == named("nom_lieu__contains=_a_") == []  # no wildcards
    assert named('nom_lieu__in="Gare, côté ""nord""",Échangeur') == ["58194-C-002", "58303-C-001"]
    assert named("ouvert__exact=false") == ["58303-C-001"]
    assert named("nom_lieu__exact='%20OR%201=1--") == []
    assert named("nom_lieu__exact=%00") == []


def test_totals_and_groups_agree_with_the_rows(api: TestClient) -> None:
    assert rows(api, "count__max&count__min&count__count&count__sum&start_datetime__min", COUNTS) == [
        {"count__max": 12.5, "count__min": 0.0, "count__count": 11, "count__sum": 72.50001}
        | {"start_datetime__min": "2026-03-28T22:00:00Z"}
    ]
    groups = rows(api, "insee__groupby&nbre_pl__avg&id_local__count&id_local__count__sort=asc", CARPOOL)
    assert groups == [
        {"insee": "58303", "nbre_pl__avg": None, "id_local__count": 1},
        {"insee": "58194", "nbre_pl__avg": 26.0, "id_local__count": 2},
    ]


def test_a_total_is_exact_as_far_as_it_is_counted(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publication.api.engine.COUNTED_ON", 2)
    asked = f"{COUNTS}/data/?count__isnotnull&page_size=5"
    first = api.get(asked).json()
    assert first["meta"] == {"page": 1, "page_size": 5, "total": 7, "total_is_exact": False}
    assert first["links"]["next"] is not None
    last = api.get(f"{asked}&page=3").json()
    assert last["meta"] == {"page": 3, "page_size": 5, "total": 11, "total_is_exact": True}
    assert last["links"]["next"] is None


def test_an_export_is_the_published_file(api: TestClient, published_portal: Path) -> None:
    answer = api.get(f"{CARPOOL}/data/csv/")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    published = (published_portal / "publication/datasets/lieux-covoiturage/lieux-covoiturage.csv").read_text()
    ours, theirs = (list(csv.DictReader(io.StringIO(t))) for t in (answer.text, published))
    assert ours == [row | {"Xlong": row["Xlong"].rstrip("0"), "Ylat": row["Ylat"].rstrip("0")} for row in theirs]
    assert ours[1]["comm"] == '\'=HYPERLINK("x")'
    assert api.get(f"{CARPOOL}/data/json/").json() == rows(api, "", CARPOOL)


@pytest.mark.parametrize(
    ("path", "status", "parameter"),
    [
        ("/data/?secret__exact=1", 400, "secret__exact"),
        ("/data/?count", 400, "count"),
        ('/data/?count"%20OR%201%3D1--__exact=1', 400, 'count" OR 1=1--__exact'),
        ("/data/?count__exact=abc", 400, "count__exact"),
        ("/data/?count__exact=1e999", 400, "count__exact"),
        ("/data/?count__exact=nan", 400, "count__exact"),
        ("/data/?count__contains=1", 400, "count__contains"),
        ("/data/?channel_id__avg", 400, "channel_id__avg"),
        ("/data/?start_datetime__less=hier", 400, "start_datetime__less"),
        ("/data/?count__sort=random()", 400, "count__sort"),
        ("/data/?page_size=51", 400, "page_size"),
        ("/data/?page=0", 400, "page"),
        ("/data/?page=1&page=2", 400, "page"),
        ("/data/?columns=count,file_row_number", 400, "columns"),
        ("/data/csv/?page=2", 400, "page"),
        ("/data/?count__in=" + "1," * 200 + "1", 400, "count__in"),
        ("/data/?channel_id__groupby&columns=count", 409, "columns"),
        ("/data/?channel_id__groupby&count__sort=asc", 409, "count__sort"),
        ("/data/?channel_id__exact=" + "x" * 40_000, 414, None),
        ("/nothing/", 404, None),
    ],
)
def test_what_is_refused_and_how(api: TestClient, path: str, status: int, parameter: str | None) -> None:
    answer = api.get(COUNTS + path)
    assert answer.status_code == status
    (error,) = answer.json()["errors"]
    assert (error["code"], error["parameter"]) == (status, parameter)
    assert error["title"] and error["detail"]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_unknown_resources_and_files_outside_are_not_found(api: TestClient) -> None:
    for name in ("nothing", "..", "%2e%2e%2fsecret", "catalogue.parquet", "%00"):
        assert api.get(f"/api/resources/{name}/data/").status_code == 404


def test_a_query_past_its_limits_is_refused_and_the_next_is_answered(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(limits, "SECONDS", 0.0)
        late = api.get(f"{COUNTS}/data/?count__greater=3.25")
    with monkeypatch.context() as patch:
        patch.setattr(limits, "EXPORT_ROWS", 5)
        long = api.get(f"{COUNTS}/data/csv/")
    with monkeypatch.context() as patch:
        patch.setattr(limits, "WAITING", 0)
        busy = api.get(f"{COUNTS}/data/?count__greater=3.25")
    assert (late.status_code, long.status_code, busy.status_code) == (422, 422, 503)
    assert "plus de 5 lignes" in long.json()["errors"][0]["title"]
    assert int(busy.headers["retry-after"]) > 0
    assert api.get(f"{COUNTS}/data/?count__greater=3.25").status_code == 200


def test_the_database_opens_nothing_but_publications(published_portal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    monkeypatch.setenv("DATANEVERS_HOME", str(published_portal))
    outside = published_portal / "outside.csv"
    outside.write_text("a\n1\n")
    with limits._connect() as con:
        for hostile in (
            f"FROM read_csv('{outside}')",
            "FROM read_csv('/etc/passwd')",
            f"ATTACH '{published_portal}/new.db'",
            "SET enable_external_access = true",
            "SET memory_limit = '10GB'",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                con.execute(hostile)


def test_an_answer_that_is_known_is_not_sent_again(api: TestClient) -> None:
    url = f"{COUNTS}/data/?count__exact=4"
    tag = api.get(url).headers["etag"]
    assert api.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert api.get(f"{COUNTS}/data/?count__exact=5", headers={"If-None-Match": tag}).status_code == 200


def test_every_path_answers_without_its_last_slash(api: TestClient) -> None:
    for path in ("/api/resources/", f"{COUNTS}/", f"{COUNTS}/profile/", f"{COUNTS}/swagger/", f"{COUNTS}/data/csv/"):
        assert api.get(path).status_code == api.get(path.rstrip("/")).status_code == api.head(path).status_code == 200


def test_a_new_publication_is_asked_at_once(api: TestClient, published_portal: Path) -> None:
    listed = {r["id"]: r for r in api.get("/api/resources/").json()["data"]}
    assert listed["lieux-covoiturage"]["rows"] == 3
    assert listed["comptages-mobilite_measure"]["dataset_id"] == "comptages-mobilite"
    profile = api.get(f"{CARPOOL}/profile/").json()["profile"]
    assert profile["header"][:2] == ["id_local", "nom_lieu"]
    assert profile["columns"]["Xlong"]["python_type"] == "float"


def test_schemathesis_finds_nothing(published_portal: Path, tmp_path: Path) -> None:
    """All its checks, on the description of the API and on that of one resource, against a real server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"DATANEVERS_HOME": str(published_portal)}
    command = [sys.executable, "-c", f"from publication.serve import serve; serve({port})"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            until = time.monotonic() + 60
            while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
                assert server.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
                time.sleep(0.05)
            for described in ("/api/openapi.json", f"{COUNTS}/swagger/"):
                run = [
                    str(Path(sys.executable).with_name("schemathesis")),
                    "run",
                    f"http://127.0.0.1:{port}{described}",
                ]
                run += [
                    "--max-examples=8",
                    "--phases=fuzzing",
                    "--seed=1",
                    "--request-timeout=120",
                    "--suppress-health-check=all",
                ]
                done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
                assert done.returncode == 0, done.stdout[-6000:]
        finally:
            server.terminate()
