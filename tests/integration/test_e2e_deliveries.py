"""What later runs do: nothing when nothing came, one day's work for one day, and no harm from a bad delivery."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.simulated import FED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Done, Town

    Rows = list[dict[str, str]]

CARPOOL = "datasets/lieux-covoiturage"
WATER = "datasets/eau-volumes-journaliers/eau-volumes-journaliers"
# What the last day of frames and of the water's telemetry goes into; the last counts what came.
RENEWED = {"eau-volumes-journaliers", "mesures-environnement", "qualite-air-interieur", "indicateurs-plateforme"}
COUNTING = "datasets/indicateurs-plateforme/"
REFUSED = "Dernière version validée conservée"  # what a page says when the newest delivery was not good enough

pytestmark = pytest.mark.timeout(600)  # three runs make the story


def traces(town: Town) -> dict[str, tuple[Any, ...]]:
    """Of every file of the published tree: where it is on disk and when it was written; of the link: where it leads."""
    tree = town.publication.resolve()
    found: dict[str, tuple[Any, ...]] = {
        str(p.relative_to(tree)): (p.stat().st_ino, p.stat().st_mtime_ns, p.stat().st_size)
        for p in tree.rglob("*")
        if p.is_file()
    }
    return found | {"the link itself": (str(town.publication.readlink()), town.publication.lstat().st_mtime_ns)}


def data_versions(town: Town) -> dict[str, int]:
    """Versions of all tables but those about runs."""
    return {name: version for name, version in town.versions().items() if not name.startswith("ops/")}


def added(town: Town, table: str, after: int) -> list[dict[str, Any]]:
    """The `add` actions of a Delta table's commits after a version."""
    log = town.home / "lake" / table / "_delta_log"
    lines = [line for p in sorted(log.glob("*.json")) if int(p.stem) > after for line in p.read_text().splitlines()]
    return [action["add"] for line in lines if "add" in (action := json.loads(line))]


def deliver_carpool(town: Town, name: str, change: Callable[[Rows], None]) -> None:
    """A new national base: the last one, with some change."""
    folder = town.landing / "carpool_sites"
    rows = read(max(folder.glob("*.csv")))
    change(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (folder / name).write_text(text.getvalue(), encoding="utf-8")


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def published_sites(rows: Rows) -> Rows:
    return [row for row in rows if row["insee"].startswith("58")]


def carpool(done: Done) -> dict[str, Any]:
    """What `--json` says of the carpool dataset."""
    found: dict[str, Any] = next(d for d in done.document["datasets"] if d["id"] == "lieux-covoiturage")
    return found


def test_with_nothing_new_nothing_changes_and_it_says_so(same_town: Town) -> None:
    """As a person runs it, the start of Python included."""
    versions, files = same_town.versions(), traces(same_town)
    said = same_town.cold("run").ok()
    print(f"a run with nothing new took {said.seconds:.1f} s")  # noqa: T201 - the figure is wanted
    assert "Rien de nouveau" in said.out
    assert same_town("run", "--json").ok().document["changed"] is False
    assert same_town.versions() == versions
    assert traces(same_town) == files
    assert said.seconds <= 8


def test_one_day_more_is_one_day_of_work(town: Town, grown: Town, second_run: Done) -> None:
    said = second_run.ok().document
    assert {s["source"] for s in said["sources"]} == {"lorawan_uplinks", "water_scada"}
    before, after = data_versions(town), data_versions(grown)
    new = added(grown, "silver/observation", before["silver/observation"])
    # the local day of the 28th starts at 23:00 UTC on the 27th
    assert {a["partitionValues"]["phenomenon_date"] for a in new} == {"2026-10-27", "2026-10-28"}
    moved = {name for name in after if after[name] != before[name]}
    assert moved == {
        "bronze/lorawan_uplinks__uplink",
        "bronze/water_scada__reading",
        "silver/counter_increment",
        "silver/lorawan_frame",
        "silver/observation",
        "silver/source_day",
        "gold/ambient_air_day",
        "gold/lorawan_network_day",
        "gold/measure_hour",
        "gold/water_volume_day",
        "gold/eau_volumes_journaliers",
        "gold/indicateurs_plateforme",
        "gold/mesures_environnement",
        "gold/qualite_air_interieur",
    }
    assert all(after[name] == before[name] + 1 for name in moved)


def test_one_day_more_is_published(town: Town, grown: Town, second_run: Done) -> None:
    versions = {d["id"]: d["published_version"] for d in second_run.ok().document["datasets"]}
    assert {name: versions[name] for name in FED} == dict.fromkeys(FED, 1) | dict.fromkeys(RENEWED, 2)
    before, after = town.data_files(), grown.data_files()
    assert set(before) == set(after)
    changed = {path for path in before if before[path] != after[path]}
    assert {path.split("/")[1] for path in changed} == RENEWED
    assert {f"{WATER}.csv", f"{WATER}.parquet"} <= changed
    rows = {(r["site_id"], r["date"]): r for r in read(grown.publication / f"{WATER}.csv")}
    truth = {
        (r["unit_id"], r["business_date"]): float(r["volume_m3"])
        for r in read(grown.landing / "_truth/water_daily_volume.csv")
    }
    # the day before is whole now that its midnight is known
    yesterday, today = (rows["RTU01", day] for day in ("2026-10-27", "2026-10-28"))
    assert float(yesterday["part_mesuree"]) == 1
    assert float(yesterday["volume_m3"]) == pytest.approx(truth["RTU01", "2026-10-27"], rel=0.005, abs=1)
    share = float(today["part_mesuree"])
    assert share > 0.95
    assert float(today["volume_m3"]) == pytest.approx(truth["RTU01", "2026-10-28"] * share, rel=0.02)


@dataclass(frozen=True)
class Story:
    """Three deliveries to one installation, and what each run left."""

    town: Town
    said: dict[str, Done] = field(default_factory=dict)
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: dict[str, dict[str, int]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)

    def run(self, name: str) -> None:
        self.said[name] = self.town("run", "--json")
        self.files[name] = self.town.data_files()
        self.versions[name] = data_versions(self.town)
        self.pages[name] = (self.town.publication / CARPOOL / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def story(
    town: Town, first_run: Done, tmp_path_factory: pytest.TempPathFactory, deliver_last_day: Callable[[Town], None]
) -> Story:
    first_run.ok()
    told = Story(town.copy(tmp_path_factory.mktemp("story") / "home"))
    told.files["before"], told.versions["before"] = told.town.data_files(), data_versions(told.town)

    # a day of good data; among it a value that the standard does not allow, a file without a column, a file known already
    deliver_last_day(told.town)
    deliver_carpool(told.town, "bnlc_20261101.csv", lambda rows: published_sites(rows)[0].update(type="Square"))
    (known,) = (told.town.landing / "traffic_counts").glob("telraam_*.csv")
    known.with_name("again_2026-10.csv").write_bytes(known.read_bytes())
    broken = known.read_text("utf-8").replace(",uptime,", ",up,", 1)
    known.with_name("broken_2026-10.csv").write_text(broken, "utf-8")
    told.run("refused by the audit")

    true_longitude = []

    def spoil(rows: Rows) -> None:
        site = published_sites(rows)[0]
        true_longitude.append(site["Xlong"])
        site.update(type="Parking", Xlong="203.15")

    deliver_carpool(told.town, "bnlc_20261102.csv", spoil)
    told.run("refused by a model")

    def correct(rows: Rows) -> None:
        published_sites(rows)[0].update(Xlong=true_longitude[0], nom_lieu="Corrigé")

    deliver_carpool(told.town, "bnlc_20261103.csv", correct)
    told.run("corrected")
    return told


def test_a_value_outside_the_standard_holds_the_dataset_back(story: Story) -> None:
    said = story.said["refused by the audit"].ok()
    assert said.document["failures"] == []
    refused = carpool(said)
    assert (refused["verdict"], refused["published_version"]) == ("failed", 1)
    assert any("Square" in reason and "colonne type" in reason for reason in refused["reasons"])
    assert REFUSED in story.pages["refused by the audit"]
    name = "gold/lieux_covoiturage"
    assert story.versions["refused by the audit"][name] == story.versions["before"][name]


def test_the_last_good_files_stay_and_the_others_go_on(story: Story, grown: Town, second_run: Done) -> None:
    """Byte for byte: its own as before, the others as if nothing had been wrong."""
    second_run.ok()
    own = {path: digest for path, digest in story.files["before"].items() if path.startswith(CARPOOL)}
    audited, modelled, good = (
        {path: digest for path, digest in files.items() if not path.startswith(COUNTING)}
        for files in (story.files["refused by the audit"], story.files["refused by a model"], grown.data_files())
    )
    assert audited == good | own
    assert modelled == audited


def test_a_value_that_a_model_refuses_looks_the_same_from_outside(story: Story) -> None:
    """Stopped before the audit, by a test of the conformed model: bad data is no failure of the platform."""
    said = story.said["refused by a model"].ok()
    assert said.document["failures"] == []
    refused = carpool(said)
    assert (refused["verdict"], refused["published_version"]) == ("failed", 1)
    assert any("longitude" in reason for reason in refused["reasons"]), refused["reasons"]
    assert REFUSED in story.pages["refused by a model"]
    held = {d["id"] for d in said.document["datasets"] if any("longitude" in reason for reason in d["reasons"])}
    # whoever asks where things are waits with it; who does not goes on
    assert {"lieux-covoiturage", "comptages-mobilite"} <= held
    others = {d["id"]: d for d in said.document["datasets"] if d["id"] in FED - held}
    assert {"adresses", "indicateurs-plateforme"} <= others.keys()
    assert not [d for d in others.values() if d["verdict"] == "failed"]


def test_a_file_without_a_column_is_held_back_whole(story: Story) -> None:
    (held,) = story.said["refused by the audit"].document["held_files"]
    assert (held["source"], held["file"]) == ("traffic_counts", "broken_2026-10.csv")
    assert "uptime" in held["reason"]


def test_a_file_copied_under_another_name_brings_nothing(story: Story) -> None:
    (said,) = (s for s in story.said["refused by the audit"].document["sources"] if s["source"] == "traffic_counts")
    hours = 7 * 24 + 1
    assert (said["rows_loaded"], said["rows_duplicate"] % hours, said["rows_quarantined"] % hours) == (0, 0, 0)
    assert said["rows_duplicate"] == said["rows_quarantined"] > 0
    table = "bronze/traffic_counts__hour"
    assert story.versions["refused by the audit"][table] == story.versions["before"][table]


def test_a_corrected_delivery_is_published(story: Story) -> None:
    corrected = carpool(story.said["corrected"].ok())
    assert corrected["verdict"] in ("passed", "warned")  # the national base may be late by today's date
    assert corrected["published_version"] == 2
    assert "Corrigé" in (story.town.publication / CARPOOL / "lieux-covoiturage.csv").read_text("utf-8")
    assert REFUSED not in story.pages["corrected"]


def test_what_is_held_back_ends_a_strict_run_with_1(story: Story) -> None:
    """One file still is, though nothing is new."""
    strict = story.town("run", "--strict", "--json")
    assert (strict.code, strict.document["changed"]) == (1, False)
    assert story.town("run").code == 0
