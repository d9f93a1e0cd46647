"""A run over the simulated territory: what is published, that it is valid, that it is true, and where it comes from."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from publication.card import load_cards
from tests.integration.simulated import FED

if TYPE_CHECKING:
    from tests.integration.conftest import Done, Town

OFFICIAL = Path(__file__).resolve().parents[3] / "shared/standards"
# Data file to (dataset, folder of its official schema).
STANDARDISED = {
    "datasets/lieux-covoiturage/lieux-covoiturage.csv": "lieux-covoiturage",
    "datasets/comptages-mobilite/comptages-mobilite_site.csv": "comptage-mobilites-site",
    "datasets/comptages-mobilite/comptages-mobilite_channel.csv": "comptage-mobilites-channel",
    "datasets/comptages-mobilite/comptages-mobilite_measure.csv": "comptage-mobilites-measure",
}
OWN = {
    "datasets/consommation-energie-batiments/consommation-energie-batiments.csv",
    "datasets/eau-volumes-journaliers/eau-volumes-journaliers.csv",
}
TREE = {
    "index.html",
    "catalog.ttl",
    "catalog.jsonld",
    "catalog.rdf",
    *(f"datasets/{name}/{file}" for name in (
        "comptages-mobilite", "consommation-energie-batiments", "eau-volumes-journaliers", "lieux-covoiturage",
    ) for file in ("index.html", "datapackage.json")),
    *STANDARDISED,
    *OWN,
    *(path.replace(".csv", ".parquet") for path in (*STANDARDISED, *OWN)),
    "datasets/lieux-covoiturage/lieux-covoiturage.geojson",
    "datasets/comptages-mobilite/comptages-mobilite_site.geojson",
    "datasets/consommation-energie-batiments/consommation-energie-batiments.geojson",
    "datasets/lieux-covoiturage/schema.json",
    "datasets/consommation-energie-batiments/schema.json",
    "datasets/eau-volumes-journaliers/schema.json",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def ended(first_run: Done) -> Done:
    return first_run.ok()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def errors(data: Path, schema: Path) -> list[Any]:
    """What frictionless finds wrong in a file, by a schema."""
    from frictionless import Resource, Schema, system

    with system.use_context(trusted=True):
        resource = Resource(path=str(data), schema=Schema.from_descriptor(str(schema)))
        return resource.validate().flatten(["rowNumber", "fieldName", "type", "note"])


def test_the_run_says_what_it_did(ended: Done) -> None:
    said = ended.document
    assert said["changed"] is True
    assert said["failures"] == []
    assert said["held_files"] == []
    assert {d["id"] for d in said["datasets"]} == {card.id for card in load_cards()}
    assert {d["id"]: d["published_version"] for d in said["datasets"] if d["published_version"]} == dict.fromkeys(
        FED, 1
    )
    assert all(d["verdict"] in ("passed", "warned") and d["rows"] > 0 for d in said["datasets"] if d["id"] in FED)


def test_the_published_tree_is_whole(town: Town) -> None:
    found = {p.relative_to(town.publication).as_posix() for p in town.publication.rglob("*") if p.is_file()}
    assert found >= TREE
    # one schema per table
    assert any(p.startswith("datasets/comptages-mobilite/schema") for p in found)
    assert all((town.publication / path).stat().st_size > 0 for path in found)


@pytest.mark.parametrize("path", STANDARDISED)
def test_official_schemas_accept_what_is_published(town: Town, path: str) -> None:
    schema = OFFICIAL / STANDARDISED[path] / "schema.json"
    if not schema.is_file():
        pytest.skip(f"{schema} is not at hand")
    assert read(town.publication / path)
    assert errors(town.publication / path, schema) == []
    names = [f["name"] for f in json.loads(schema.read_text("utf-8"))["fields"]]
    with (town.publication / path).open(encoding="utf-8", newline="") as stream:
        assert next(csv.reader(stream)) == names


@pytest.mark.parametrize(
    "dataset", ["comptages-mobilite", "consommation-energie-batiments", "eau-volumes-journaliers", "lieux-covoiturage"]
)
def test_our_own_schemas_accept_what_is_published(town: Town, dataset: str) -> None:
    """The data package names every CSV with its schema, and keys between tables."""
    from frictionless import Package, system

    folder = town.publication / "datasets" / dataset
    with system.use_context(trusted=True):
        package = Package.from_descriptor(str(folder / "datapackage.json"))
        report = package.validate()
    assert report.valid, report.flatten(["taskNumber", "rowNumber", "fieldName", "note"])
    named = {resource.path for resource in package.resources}
    assert {p.name for p in folder.glob("*.csv")} <= named


def test_a_broken_value_is_seen(town: Town, tmp_path: Path) -> None:
    """The validation above is one that can fail."""
    good = town.publication / "datasets/lieux-covoiturage"
    broken = tmp_path / "broken.csv"
    broken.write_text((good / "lieux-covoiturage.csv").read_text("utf-8").replace("Parking", "Square"), "utf-8")
    assert errors(broken, good / "schema.json")


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
def test_the_catalogue_is_one_graph_in_three_notations(town: Town) -> None:
    from rdflib import DCAT, RDF, Graph, URIRef
    from rdflib.compare import isomorphic

    graphs = [Graph().parse(town.publication / f"catalog.{ending}") for ending in ("ttl", "jsonld", "rdf")]
    assert len(graphs[0]) > 100
    assert isomorphic(graphs[0], graphs[1])
    assert isomorphic(graphs[0], graphs[2])
    assert len(list(graphs[0].subjects(RDF.type, DCAT.Dataset))) >= 4
    base = "https://donnees.nevers-agglomeration.example/"
    urls = [str(u) for u in graphs[0].objects(None, DCAT.downloadURL)]
    assert all(isinstance(s, URIRef) and ":" in s for s in graphs[0].subjects(RDF.type, DCAT.Dataset))
    assert {u.removeprefix(base) for u in urls} == set(town.data_files())


def test_every_other_place_says_the_same(town: Town) -> None:
    """CSV, Parquet and the gold table hold the same rows; ops.publication knows each file's hash."""
    for path in (*STANDARDISED, *OWN):
        file = town.publication / path
        model = file.stem.replace("-", "_")
        counts = town.sql(
            f"SELECT (SELECT count(*) FROM gold.{model}), (SELECT count(*) FROM '{file.with_suffix('.parquet')}')"
        )
        assert counts == [(len(read(file)),) * 2], path
    recorded = dict(town.sql("SELECT file, sha256 FROM ops.publication WHERE version = 1"))
    assert recorded == town.data_files()


def test_water_volumes_are_true(town: Town) -> None:
    rows = read(town.publication / "datasets/eau-volumes-journaliers/eau-volumes-journaliers.csv")
    found = {(r["site_id"], r["date"]): r for r in rows}
    truth = {(r["unit_id"], r["business_date"]): float(r["volume_m3"]) for r in water_truth(town)}
    whole = {k for k in truth if k in found and float(found[k]["part_mesuree"]) == 1}
    assert len(whole) >= 12
    for key in whole:  # a register of whole cubic metres cannot be read closer than one
        assert float(found[key]["volume_m3"]) == pytest.approx(truth[key], rel=0.005, abs=1), key
    assert ("RTU01", "2026-10-25") in whole, "the 25-hour day is measured whole"


def water_truth(town: Town) -> list[dict[str, str]]:
    """One measure per unit and day; the volume of the plants, and of what the chambers count."""
    return [r for r in read(town.landing / "_truth/water_daily_volume.csv") if r["measure"] != "stored"]


def test_large_meters_leave_as_one_total(town: Town) -> None:
    rows = read(town.publication / "datasets/eau-volumes-journaliers/eau-volumes-journaliers.csv")
    large = {r["date"]: r for r in rows if r["nature"] == "gros consommateurs"}
    truth = read(town.landing / "_truth/water_meters_daily.csv")
    meters = {r["user_key"] for r in truth}
    assert len(meters) >= 11
    assert {r["site_id"] for r in large.values()} == {"GROS-CONSOMMATEURS"}
    assert all(int(r["nombre_compteurs"]) >= 11 for r in large.values())
    whole = {day for day, r in large.items() if float(r["part_mesuree"]) == 1}
    volume = {day: sum(float(r["volume_l"]) for r in truth if r["business_date"] == day) / 1000 for day in whole}
    for day in whole:  # what flows in the hour of midnight is shared out evenly between two days
        assert float(large[day]["volume_m3"]) == pytest.approx(volume[day], rel=0.01), day
    assert sum(float(large[day]["volume_m3"]) for day in whole) == pytest.approx(sum(volume.values()), rel=0.005)
    assert float(large["2026-10-25"]["part_mesuree"]) == 1, "the 25-hour day is measured whole"
    for path in town.publication.rglob("*"):
        if path.suffix in (".csv", ".html", ".geojson", ".json"):
            text = path.read_text("utf-8")
            assert not any(meter in text for meter in meters), path


def test_energy_is_true(town: Town) -> None:
    rows = read(town.publication / "datasets/consommation-energie-batiments/consommation-energie-batiments.csv")
    found = {(r["batiment_id"], r["date"]): r for r in rows}
    compared = 0
    for true in read(town.landing / "_truth/building_daily_energy.csv"):
        row = found["BAT-" + hashlib.sha256(true["prm"].encode()).hexdigest()[:10], true["business_date"]]
        absent = (int(true["steps_blank"]) + int(true["steps_missing"])) / int(true["steps_expected"])
        assert float(row["part_mesuree"]) == pytest.approx(1 - absent, abs=0.01)
        if not absent:
            assert float(row["energie_kwh"]) == pytest.approx(float(true["energy_kwh"]), rel=0.005), true
            compared += 1
    assert compared >= 5


MODES = {"BIKE": "bike", "PEDESTRIAN": "pedestrian", "CAR": "car", "TRUCK": "heavy"}


@pytest.fixture(scope="module")
def counted(town: Town) -> dict[tuple[str, str, str], str]:
    """Published counts by (segment, column of the platform, start)."""
    folder = town.publication / "datasets/comptages-mobilite"
    channels = {r["channel_id"]: r for r in read(folder / "comptages-mobilite_channel.csv")}
    place = {i: (r["site_id"], MODES[r["mobility_type"]]) for i, r in channels.items()}
    rows = read(folder / "comptages-mobilite_measure.csv")
    return {(*place[r["channel_id"]], r["start_datetime"]): r["count"] for r in rows}


def test_traffic_counts_are_those_received_and_unmeasured_hours_are_empty(
    town: Town, counted: dict[tuple[str, str, str], str]
) -> None:
    received: dict[tuple[str, str], list[str]] = {}
    for path in sorted((town.landing / "traffic_counts").glob("telraam_*.csv")):
        for row in read(path):
            for mode in MODES.values():
                hours = received.setdefault((row["segment_id"].removesuffix(".0"), mode), [])
                hours.append(row[mode] if float(row["uptime"]) else "")
    published: dict[tuple[str, str], list[str]] = {}
    for segment, mode, start in sorted(counted):
        published.setdefault((segment, mode), []).append(counted[segment, mode, start])
    assert set(published) == set(received)
    for channel, hours in received.items():
        assert len(hours) == 7 * 24 + 1
        assert [v and pytest.approx(float(v), abs=0.006) for v in hours] == [v and float(v) for v in published[channel]]
        assert "" in hours


def test_traffic_counts_are_true(town: Town, counted: dict[tuple[str, str, str], str]) -> None:
    """A camera sees a part of each hour, the platform scales it up: single hours scatter, sums must not."""
    truth = read(town.landing / "_truth/traffic_hourly.csv")
    sums: dict[str, list[float]] = {mode: [0.0, 0.0] for mode in MODES.values()}
    for true in (r for r in truth if r["measured"] == "1"):
        for mode, total in sums.items():
            passages, count = int(true[mode]), float(counted[true["segment_id"], mode, true["start_time"]])
            assert abs(count - passages) <= 5 * passages**0.5 + 0.01, (true, mode)
            total[0] += passages
            total[1] += count
    for mode, (passages, count) in sums.items():
        assert count == pytest.approx(passages, abs=4 * passages**0.5), mode
    assert all(counted[r["segment_id"], "car", r["start_time"]] == "" for r in truth if r["measured"] == "0")


def test_a_published_volume_walks_back_to_lines_of_files(town: Town) -> None:
    """From a value in a CSV to its increments, observations, bronze rows and the very lines received."""
    day, unit = "2026-10-25", "RTU01"
    rows = read(town.publication / "datasets/eau-volumes-journaliers/eau-volumes-journaliers.csv")
    (published,) = [r for r in rows if (r["site_id"], r["date"]) == (unit, day)]
    ((stream, volume),) = town.sql(
        "SELECT datastream_id, volume_m3 FROM gold.water_volume_day WHERE thing_id = ? AND business_date = ?",
        f"water_scada:{unit}", day,
    )  # fmt: skip
    assert float(published["volume_m3"]) == pytest.approx(volume, abs=0.001)
    observed = town.sql(
        """SELECT o.result, o.phenomenon_time, o.source_file, o.source_sha256, o.source_row,
            b.value, b.reading_time, b.channel_id
        FROM silver.observation AS o JOIN bronze.water_scada__reading AS b
            USING (source_file, source_sha256, source_row)
        WHERE o.datastream_id = ? AND timezone('Europe/Paris', o.phenomenon_time)::DATE = ?
        ORDER BY o.phenomenon_time""",
        stream, day,
    )  # fmt: skip
    assert len(observed) > 25
    last_index = first_index = None
    for result, when, file, sha256, number, value, read_at, channel in observed:
        assert (result, when) == (value, read_at)
        received = (town.landing / "water_scada" / file).read_bytes()
        assert hashlib.sha256(received).hexdigest() == sha256
        site, voie, _, _, valeur, *_ = received.decode("cp1252").splitlines()[number].split(";")
        assert (site, voie) == (unit, channel)
        assert float(valeur.replace(",", ".")) == value
        first_index, last_index = first_index if first_index is not None else value, value
    assert first_index is not None
    assert last_index is not None
    assert last_index - first_index <= volume + 1
    files = {(o[2], o[3]) for o in observed}
    known = town.sql("SELECT file, sha256 FROM ops.ingest_file WHERE source = 'water_scada'")
    assert files <= set(known)


def test_rows_of_archives_walk_back_too(town: Town) -> None:
    ((file, number, meter, index),) = town.sql(
        "SELECT source_file, source_row, meter_id, index_l FROM bronze.water_meters__reading ORDER BY ALL LIMIT 1"
    )
    archive, member = file.split("!")
    with zipfile.ZipFile(town.landing / "water_meters" / archive) as opened:
        fields = opened.read(member).decode().splitlines()[number].split(";")
    assert fields[0] == meter
    assert int(fields[2]) == index


def test_pages_link_only_to_what_is_there(town: Town) -> None:
    from html.parser import HTMLParser

    class Links(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [v for k, v in attrs if k in ("href", "src") and v]

    def links(page: Path) -> Iterator[str]:
        parser = Links()
        parser.found = []
        parser.feed(page.read_text("utf-8"))
        yield from parser.found

    external: Callable[[str], bool] = lambda link: link.startswith(("http:", "https:", "mailto:", "#", "data:"))  # noqa: E731
    for page in town.publication.rglob("*.html"):
        for link in links(page):
            if not external(link):
                # the page of errors is served for any address: its links begin at the root
                target = (town.publication if link.startswith("/") else page.parent) / link.split("#")[0].lstrip("/")
                assert target.exists(), f"{page}: {link}"
