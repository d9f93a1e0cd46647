"""What the catalogue says before and after: first publication, update, renaming, withdrawal. Nothing else moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from rdflib import DCAT, DCTERMS, RDF, BNode, Graph, Literal, URIRef

from lake import table
from publication.card import CARDS_DIR, Card, CardError, load_cards
from publication.publish import publish
from publication.state import load_state
from tests.fixtures.dcat import BASE, CATALOG, SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

    from publication.publish import PublishReport
    from quality.audit import Verdict

FIRST = datetime(2026, 4, 1, 5, 30, 12, tzinfo=UTC)
LATER = FIRST + timedelta(days=1)
CARPOOL, WATER = "lieux-covoiturage", "eau-volumes-journaliers"
Said = set[tuple[str, str, str]]


@pytest.fixture
def run(
    home: Path, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Callable[..., dict[str, Verdict]]
) -> Callable[..., PublishReport]:
    """Publish two datasets, or others; `renamed` gives one of them a new id."""

    def call(*names: str, now: datetime = FIRST, renamed: str | None = None, **status: str) -> PublishReport:
        chosen = [cards[name] for name in names or (CARPOOL, WATER)]
        judged = verdicts(**status)
        if renamed:
            old = chosen[0]
            chosen[0] = old.model_copy(update={"id": renamed, "formerly": (*old.formerly, old.id)})
            judged[renamed] = judged[old.id]
        return publish(con, chosen, judged, run_id="r", now=now)

    return call


def said(home: Path) -> Said:
    """Every statement of the catalogue; a blank node goes by what leads to it, as labels mean nothing."""
    graph = Graph().parse(home / "publication/catalog.ttl")
    names = {o: f"[{s} {p}]" for s, p, o in graph if isinstance(o, BNode)}
    return {(names.get(s, str(s)), str(p), names.get(o, str(o))) for s, p, o in graph}


def identifiers(home: Path) -> set[str]:
    """What a harvester knows its datasets by."""
    graph = Graph().parse(home / "publication/catalog.ttl")
    return {str(graph.value(dataset, DCTERMS.identifier)) for dataset in graph.subjects(RDF.type, DCAT.Dataset)}


def of_dataset(triple: tuple[str, str, str], name: str) -> bool:
    """Whether a statement is of one dataset, its distributions, or its files."""
    return any(f"{BASE}/{place}/{name}" in triple[0] for place in ("id/dataset", "id/distribution", "datasets"))


def links(name: str) -> Said:
    """The statements of others that name a dataset."""
    dataset = f"{BASE}/id/dataset/{name}"
    return {(str(CATALOG), str(DCAT.dataset), dataset), (str(SERVICE), str(DCAT.servesDataset), dataset)}


def catalogue_time(moment: datetime) -> Said:
    return {(str(CATALOG), str(DCTERMS.modified), moment.isoformat())}


def codes_of(before: Said, after: Said) -> Said:
    """Descriptions of codes and schemas that only one of the two catalogues needs."""
    ours = tuple(f"{BASE}/id/{kind}" for kind in ("dataset", "distribution", "service"))
    return {t for t in before ^ after if not t[0].startswith((*ours, "[", str(CATALOG), f"{BASE}/datasets"))}


def test_a_first_publication_adds_its_dataset_alone(run: Callable[..., PublishReport], home: Path) -> None:
    run(WATER)
    before = said(home)
    run(CARPOOL, WATER, now=LATER)
    after = said(home)
    assert before - after == catalogue_time(FIRST)
    new = after - before - codes_of(before, after)
    assert {t for t in new if not of_dataset(t, CARPOOL)} == links(CARPOOL) | catalogue_time(LATER)
    assert identifiers(home) == {f"{BASE}/id/dataset/{CARPOOL}", f"{BASE}/id/dataset/{WATER}"}


def test_an_update_changes_what_is_said_of_the_files_that_changed(
    run: Callable[..., PublishReport], home: Path, con: duckdb.DuckDBPyConnection
) -> None:
    run()
    before = said(home)
    con.execute("UPDATE gold.lieux_covoiturage SET nbre_pl = 99 WHERE id_local = '58194-C-001'")
    run(now=LATER)
    after = said(home)
    assert {t[:2] for t in before - after} == {t[:2] for t in after - before}, "statements changed, none came or went"
    changed = {(s, p.rsplit("/", 1)[-1].rsplit("#", 1)[-1]) for s, p, _ in after - before}
    assert (f"{BASE}/id/dataset/{CARPOOL}", "version") in changed
    assert {p for s, p in changed if CARPOOL in s} <= {"version", "modified", "byteSize", "checksumValue"}
    assert {s for s, _ in changed if CARPOOL not in s} == {str(CATALOG)}


def test_harvesting_twice_gives_the_same(run: Callable[..., PublishReport], home: Path) -> None:
    run()
    before, known = said(home), identifiers(home)
    assert not run(now=LATER).swapped
    assert (said(home), identifiers(home)) == (before, known)


def test_a_withdrawal_takes_its_dataset_alone(run: Callable[..., PublishReport], home: Path) -> None:
    run()
    before = said(home)
    run(WATER, now=LATER)
    after = said(home)
    assert after - before == catalogue_time(LATER)
    gone = before - after - codes_of(before, after)
    assert {t for t in gone if not of_dataset(t, CARPOOL)} == links(CARPOOL) | catalogue_time(FIRST)
    page = (home / f"publication/datasets/{CARPOOL}/index.html").read_text()
    assert "est plus publié" in page
    assert "covoiturage" in page.split("<h1>")[1].split("</h1>")[0], "people see which dataset it was"
    assert "refresh" not in page
    assert not run(WATER, now=LATER + timedelta(days=1)).swapped, "the page keeps its date"


def test_a_dataset_that_comes_back_takes_its_page_back(run: Callable[..., PublishReport], home: Path) -> None:
    run()
    before = said(home)
    run(WATER, now=LATER)
    run(now=LATER + timedelta(days=1))
    back = said(home)
    assert (before - back, back - before) == (catalogue_time(FIRST), catalogue_time(LATER + timedelta(days=1)))
    assert not load_state(home / "publication").tombstones
    assert "est plus publié" not in (home / f"publication/datasets/{CARPOOL}/index.html").read_text()


def test_a_renamed_dataset_stays_the_same_to_harvesters(run: Callable[..., PublishReport], home: Path) -> None:
    run()
    before, known = said(home), identifiers(home)
    report = run(now=LATER, renamed="aires-covoiturage")
    after = said(home)
    assert {o.dataset: (o.result, o.version) for o in report.outcomes}["aires-covoiturage"] == ("unchanged", 1)
    assert CARPOOL not in {o.dataset for o in report.outcomes}, "it was not withdrawn"
    assert identifiers(home) == known
    moved = {(s, p, o.replace(CARPOOL, "aires-covoiturage")) for s, p, o in before if f"{BASE}/datasets/" in o}
    addresses = {(s, p, o) for s, p, o in after - before if not s.startswith(f"{BASE}/datasets/")}
    assert addresses - catalogue_time(LATER) <= moved, "only addresses of pages and files moved"
    assert {o for _, p, o in addresses if p == str(DCAT.downloadURL)} >= {
        f"{BASE}/datasets/aires-covoiturage/aires-covoiturage.{ending}" for ending in ("csv", "parquet", "geojson")
    }
    distributions = {str(s) for s, p, _ in before if p == str(DCAT.downloadURL)}
    assert distributions == {s for s, p, _ in after if p == str(DCAT.downloadURL)}


def test_the_old_address_of_a_renamed_dataset_leads_to_the_new_one(
    run: Callable[..., PublishReport], home: Path
) -> None:
    run()
    csv = home / f"publication/datasets/{CARPOOL}/{CARPOOL}.csv"
    content = csv.read_bytes()
    run(now=LATER, renamed="aires-covoiturage")
    assert [p.name for p in csv.parent.iterdir()] == ["index.html"]
    page = (csv.parent / "index.html").read_text()
    assert '<meta http-equiv="refresh" content="0; url=../../datasets/aires-covoiturage/">' in page
    assert '<a href="../../datasets/aires-covoiturage/">' in page
    assert f'<link rel="canonical" href="{BASE}/datasets/aires-covoiturage/">' in page
    assert (home / "publication/datasets/aires-covoiturage/aires-covoiturage.csv").read_bytes() == content


def test_a_renamed_dataset_that_is_held_back_keeps_its_files(run: Callable[..., PublishReport], home: Path) -> None:
    """The audit of the day fails, and the new address has the last good version all the same."""
    run()
    old = home / f"publication/datasets/{CARPOOL}/{CARPOOL}.csv"
    content, inode = old.read_bytes(), old.stat().st_ino
    report = run(now=LATER, renamed="aires-covoiturage", lieux_covoiturage="failed")
    assert {o.dataset: o.result for o in report.outcomes}["aires-covoiturage"] == "held"
    new = home / "publication/datasets/aires-covoiturage/aires-covoiturage.csv"
    assert (new.read_bytes(), new.stat().st_ino) == (content, inode)
    assert (home / f".publications/1/datasets/{CARPOOL}/{CARPOOL}.csv").read_bytes() == content, "downloads go on"


def test_a_renamed_dataset_goes_on_with_its_versions(
    run: Callable[..., PublishReport], home: Path, con: duckdb.DuckDBPyConnection
) -> None:
    run()
    run(now=LATER, renamed="aires-covoiturage")
    assert not run(now=LATER + timedelta(hours=1), renamed="aires-covoiturage").swapped
    con.execute("UPDATE gold.lieux_covoiturage SET nbre_pl = 99")
    report = run(now=LATER + timedelta(days=1), renamed="aires-covoiturage")
    assert {o.dataset: (o.result, o.version) for o in report.outcomes}["aires-covoiturage"] == ("published", 2)
    issued = Literal(FIRST.isoformat(), datatype=URIRef("http://www.w3.org/2001/XMLSchema#dateTime"))
    graph = Graph().parse(home / "publication/catalog.ttl")
    assert graph.value(URIRef(f"{BASE}/id/dataset/{CARPOOL}"), DCTERMS.issued) == issued


def test_a_file_changed_twice_in_a_second_has_two_times(
    run: Callable[..., PublishReport], home: Path, con: duckdb.DuckDBPyConnection
) -> None:
    """Harvesters fetch again when dct:modified changed, and never look at the checksum otherwise."""
    times = set()
    for places in range(2):
        con.execute(f"UPDATE gold.lieux_covoiturage SET nbre_pl = {places}")
        run(now=FIRST)
        (file,) = (f for f in load_state(home / "publication").datasets[CARPOOL].files if f.format == "csv")
        times.add(file.modified)
    assert len(times) == 2


def test_an_id_names_one_dataset_for_ever(tmp_path: Path) -> None:
    text = (CARDS_DIR / "water/eau-volumes-journaliers.yml").read_text(encoding="utf-8")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/eau-volumes-journaliers.yml").write_text(text, encoding="utf-8")
    other = text.replace("id: eau-volumes-journaliers", "id: volumes\nformerly: [eau-volumes-journaliers]", 1)
    (tmp_path / "a/volumes.yml").write_text(other, encoding="utf-8")
    with pytest.raises(CardError, match="formerly"):
        load_cards(tmp_path)


def test_coverage_is_the_communes_own(
    run: Callable[..., PublishReport], home: Path, con: duckdb.DuckDBPyConnection
) -> None:
    """Contours, once delivered, say where the territory ends; until then the centres of communes do."""
    run()
    before = said(home)
    corners = [(3.0, 46.9, 3.2, 47.0), (3.1, 46.8, 3.3, 47.1)]
    sides = pa.table({
        "insee_code": ["58194", "58303"],
        "commune_name": ["Nevers", "Varennes-Vauzelles"],
        "geometry_wkt": [f"POLYGON (({w} {s}, {e} {s}, {e} {n}, {w} {n}, {w} {s}))" for w, s, e, n in corners],
        **{f"{side}_deg": column for side, column in zip(("west", "south", "east", "north"), zip(*corners, strict=True), strict=True)},
    })  # fmt: skip
    table.overwrite("silver", "commune_contour", sides)
    con.execute("CREATE SCHEMA silver; CREATE TABLE silver.commune_contour AS SELECT * FROM sides")
    run(now=LATER)
    boxes = {o for _, p, o in said(home) - before if p == str(DCAT.bbox)}
    assert boxes == {"POLYGON((3.0 46.8,3.3 46.8,3.3 47.1,3.0 47.1,3.0 46.8))"}
    assert {p for _, p, _ in said(home) - before} == {str(DCAT.bbox)}, "the data did not change"
