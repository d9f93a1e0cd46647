"""Publishing as a whole: atomic, nothing rewritten without a change, the last good version kept, crashes made good."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import frictionless
import pytest

from lake.engine import connect
from lake.home import ROOT
from publication import publish as publish_module
from publication import tree
from publication.publish import PublishReport, publish
from quality.audit import Verdict

if TYPE_CHECKING:
    import duckdb

    from publication.card import Card

FIRST = datetime(2026, 4, 1, 5, 30, 12, 999, tzinfo=UTC)
LATER = FIRST + timedelta(days=1)
Publish = Callable[..., PublishReport]
Verdicts = Callable[..., dict[str, Verdict]]


@pytest.fixture
def run(home: Path, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Verdicts) -> Publish:
    """Publish every card, all verdicts `passed` unless said otherwise."""

    def call(now: datetime = FIRST, **status: Any) -> PublishReport:
        return publish(con, list(cards.values()), verdicts(**status), run_id=f"run-{now:%d}", now=now)

    return call


def listing(home: Path) -> dict[str, tuple[bytes, int]]:
    """Content and inode of every file of the published tree."""
    root = home / "publication"
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): (path.read_bytes(), path.stat().st_ino) for path in files}


def recorded(column: str = "version") -> list[tuple[Any, ...]]:
    with connect() as con:
        return con.execute(f"SELECT DISTINCT dataset, {column} FROM ops.publication ORDER BY ALL").fetchall()


def results(report: PublishReport) -> dict[str, tuple[str, int | None]]:
    return {outcome.dataset: (outcome.result, outcome.version) for outcome in report.outcomes}


def move_carpool(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("UPDATE gold.lieux_covoiturage SET nbre_pl = 99 WHERE id_local = '58194-C-001'")


def test_the_tree_has_the_promised_paths(run: Publish, home: Path) -> None:
    report = run()
    assert report.swapped
    paths = set(listing(home))
    expected = {"index.html", "catalog.ttl", "catalog.jsonld", "catalog.rdf"}
    for name in ("lieux-covoiturage", "consommation-energie-batiments", "eau-volumes-journaliers"):
        files = ("index.html", f"{name}.csv", f"{name}.parquet", "schema.json", "datapackage.json")
        expected |= {f"datasets/{name}/{file}" for file in files}
    for table in ("site", "channel", "measure"):
        expected.add(f"datasets/comptages-mobilite/comptages-mobilite_{table}.csv")
        expected.add(f"datasets/comptages-mobilite/comptages-mobilite_{table}.schema.json")
    expected.add("datasets/comptages-mobilite/schema.json")
    assert expected <= paths
    assert "datasets/lieux-covoiturage/lieux-covoiturage.geojson" in paths
    assert "datasets/eau-volumes-journaliers/eau-volumes-journaliers.geojson" not in paths


@pytest.mark.parametrize(
    "dataset", ["lieux-covoiturage", "comptages-mobilite", "consommation-energie-batiments", "eau-volumes-journaliers"]
)
def test_frictionless_accepts_every_data_package_and_schema(run: Publish, home: Path, dataset: str) -> None:
    run()
    folder = home / "publication" / "datasets" / dataset
    report = frictionless.Package.from_descriptor(str(folder / "datapackage.json")).validate()
    assert report.valid, report.flatten(["type", "note"])
    for path in folder.glob("*schema.json"):
        assert frictionless.Schema.from_descriptor(str(path)).fields


def test_a_changed_byte_is_caught_by_the_data_package(run: Publish, home: Path) -> None:
    run()
    folder = home / "publication" / "datasets" / "lieux-covoiturage"
    csv = folder / "lieux-covoiturage.csv"
    csv.write_bytes(csv.read_bytes().replace(b"Nevers", b"Nevarr"))
    assert not frictionless.Package.from_descriptor(str(folder / "datapackage.json")).validate().valid


def test_publishing_again_changes_nothing(run: Publish, home: Path) -> None:
    first = run()
    before = listing(home)
    again = run(LATER)
    assert not again.swapped
    assert again.tree == first.tree
    assert listing(home) == before
    there = sorted(name for name, (result, _) in results(first).items() if result != "absent")
    assert recorded() == [(name, 1) for name in there]


def test_one_change_rewrites_only_its_dataset_and_the_shared_files(
    run: Publish, home: Path, con: duckdb.DuckDBPyConnection
) -> None:
    run()
    before = listing(home)
    move_carpool(con)
    report = run(LATER)
    assert results(report)["lieux-covoiturage"] == ("published", 2)
    assert results(report)["comptages-mobilite"] == ("unchanged", 1)
    after = listing(home)
    rewritten = {path for path in after if after[path] != before.get(path)}
    shared = {"index.html", "catalog.ttl", "catalog.jsonld", "catalog.rdf", "catalog-dcat-ap.ttl", ".state.json"}
    shared |= {"etat/index.html", "atom.xml", "sitemap.xml", ".facts.json"}
    assert rewritten - shared == {
        f"datasets/lieux-covoiturage/{name}"
        for name in (
            "index.html",
            "datapackage.json",
            "lieux-covoiturage.csv",
            "lieux-covoiturage.parquet",
            "lieux-covoiturage.geojson",
        )
    }
    assert ("lieux-covoiturage", 2) in recorded()
    assert ("lieux-covoiturage", LATER.replace(microsecond=0)) in recorded("modified_time")


def test_a_dataset_that_fails_its_audit_keeps_its_files_and_says_so(
    run: Publish, home: Path, con: duckdb.DuckDBPyConnection
) -> None:
    run()
    before = listing(home)
    move_carpool(con)
    report = run(LATER, lieux_covoiturage="failed")
    assert results(report)["lieux-covoiturage"] == ("held", 1)
    after = listing(home)
    csv = "datasets/lieux-covoiturage/lieux-covoiturage.csv"
    assert after[csv] == before[csv]
    assert after["catalog.ttl"] == before["catalog.ttl"]
    page = after["datasets/lieux-covoiturage/index.html"][0].decode()
    assert "Dernière version validée conservée" in page
    assert "SECRET" not in page, "a value of the refused data was published"
    assert not run(LATER + timedelta(days=1), lieux_covoiturage="failed").swapped


def test_a_dataset_never_validated_is_nowhere(run: Publish, home: Path) -> None:
    report = run(eau_volumes_journaliers="failed")
    assert results(report)["eau-volumes-journaliers"] == ("absent", None)
    assert not (home / "publication/datasets/eau-volumes-journaliers").exists()
    assert "eau-volumes-journaliers" not in (home / "publication/catalog.ttl").read_text()


def test_a_table_that_cannot_be_exported_holds_back_only_its_dataset(
    run: Publish, con: duckdb.DuckDBPyConnection
) -> None:
    run()
    con.execute("ALTER TABLE gold.lieux_covoiturage DROP COLUMN insee")
    con.execute("UPDATE gold.eau_volumes_journaliers SET volume_m3 = 1")
    report = run(LATER)
    assert results(report)["lieux-covoiturage"] == ("held", 1)
    assert "insee" in next(o.reason for o in report.outcomes if o.dataset == "lieux-covoiturage")
    assert results(report)["eau-volumes-journaliers"] == ("published", 2)


def test_a_withdrawn_dataset_leaves_and_takes_up_its_versions_again(
    run: Publish, home: Path, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Verdicts
) -> None:
    run()
    others = [card for card in cards.values() if card.id != "lieux-covoiturage"]
    report = publish(con, others, verdicts(), run_id="w", now=LATER)
    assert results(report)["lieux-covoiturage"] == ("withdrawn", 1)
    assert [path.name for path in (home / "publication/datasets/lieux-covoiturage").iterdir()] == ["index.html"]
    move_carpool(con)
    assert results(run(LATER))["lieux-covoiturage"] == ("published", 2)


def test_a_reader_sees_the_old_tree_or_the_new_one(
    run: Publish, home: Path, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash just before the swap leaves the old tree current; the next run tidies up and gets there."""
    run()
    before = listing(home)
    move_carpool(con)
    with monkeypatch.context() as patched:
        patched.setattr(tree, "_point_to", _crash)
        with pytest.raises(KeyboardInterrupt):
            run(LATER)
    assert listing(home) == before
    assert (home / ".publications" / "2").exists()
    assert results(run(LATER))["lieux-covoiturage"] == ("published", 2)
    assert {path.name for path in (home / ".publications").iterdir()} == {"1", "2"}
    assert (home / "publication").readlink() == Path(".publications/2")


def test_a_crash_after_the_swap_is_recorded_by_the_next_run(
    run: Publish, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    move_carpool(con)
    with monkeypatch.context() as patched:
        calls: list[int] = []
        patched.setattr(publish_module, "_follow", lambda *_: _crash() if calls else calls.append(1))
        with pytest.raises(KeyboardInterrupt):
            run(LATER)
    assert ("lieux-covoiturage", 2) not in recorded()
    healed = run(LATER + timedelta(days=1))
    assert not healed.swapped
    assert ("lieux-covoiturage", 2) in recorded()
    assert ("lieux-covoiturage", f"run-{LATER:%d}") in recorded("run_id"), (
        "the run that made the version, not the healer"
    )


def test_versions_go_on_when_the_tree_is_lost(run: Publish, home: Path, con: duckdb.DuckDBPyConnection) -> None:
    run()
    before = listing(home)
    (home / "publication").unlink()
    _remove(home / ".publications")
    report = run(LATER)
    assert results(report)["lieux-covoiturage"] == ("unchanged", 1)
    assert listing(home)["catalog.ttl"][0] == before["catalog.ttl"][0], "dates moved without a change of bytes"


def test_a_restored_plain_folder_is_taken_over(run: Publish, home: Path) -> None:
    tree_path = run().tree
    (home / "publication").unlink()
    tree_path.rename(home / "publication")
    report = run(LATER)
    assert not report.swapped
    assert (home / "publication").is_symlink()
    assert results(report)["lieux-covoiturage"] == ("unchanged", 1)


def test_somebody_elses_link_is_not_replaced(run: Publish, home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (home / "publication").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(tree.TreeError, match="elsewhere"):
        run()


def test_old_trees_go_but_the_previous_one_stays(run: Publish, home: Path, con: duckdb.DuckDBPyConnection) -> None:
    for places in range(4):
        con.execute(f"UPDATE gold.lieux_covoiturage SET nbre_pl = {places}")
        run(FIRST + timedelta(days=places))
    assert {path.name for path in (home / ".publications").iterdir()} == {"3", "4"}


def test_two_processes_do_not_publish_at_once(home: Path, monkeypatch: pytest.MonkeyPatch, run: Publish) -> None:
    """While another process publishes, this one waits, then says who is in the way."""
    monkeypatch.setattr(tree, "LOCK_SECONDS", 0.2)
    code = (
        "import sys; from publication.tree import publishing\n"
        "with publishing():\n    print('held', flush=True); sys.stdin.read()\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(tree.TreeError, match="another process"):
            run()
        other.stdin.close()
    assert run().swapped


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
