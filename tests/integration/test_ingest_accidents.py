"""Power cuts at the worst moments, and two loads at once: the tables are those of one undisturbed load."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import House

ROOT = Path(__file__).resolve().parents[2]
DRIVER = ROOT / "tests/fixtures/ingest_driver.py"
SOURCE = "traffic_counts"
HEADER = "segment_id,segment_fullname,date,uptime,heavy,car,bike,pedestrian,noise_db"
DEATHS = (
    "before_quarantine",
    "after_quarantine",
    "before_commit",
    "streaming",
    "half_written",
    "after_commit",
    "after_ledger",
    "after_landing",
)


def start(house: House, mode: str, *sources: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"DATANEVERS_HOME": str(house.home), "PYTHONPATH": str(ROOT)}
    env.pop("DATANEVERS_LAKE", None)
    return subprocess.Popen([sys.executable, str(DRIVER), mode, *sources], env=env, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> int:
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    return process.returncode


def export(segment: str, count: int, *, car: str = "1") -> str:
    rows = [f"{segment},rue,2026-09-{1 + n // 24:02d} {n % 24:02d}:00:00 CEST,1,0,{car},0,0,60" for n in range(count)]
    return "\n".join([HEADER, *rows, ""])


def fill(house: House) -> None:
    """Files that exercise every table: good and resent rows, refused rows, a held file, drift."""
    house.put(SOURCE, "1.csv", export("a", 600), modified=1_800_000_000)
    house.put(SOURCE, "2.csv", export("a", 700) + "a,rue,hier,1,0,1,0,0,60\na,short\n", modified=1_800_000_001)
    house.put(SOURCE, "3.csv", export("b", 30, car="x"), modified=1_800_000_002)


@pytest.fixture(scope="module")
def undisturbed(new_house: Callable[[], House]) -> dict[str, object]:
    house = new_house()
    fill(house)
    house.ingest(SOURCE)
    assert [v[:4] for _, v in sorted(house.ledger().items())] == [(600, 600, 0, 0), (702, 100, 600, 2), (30, 0, 0, 30)]
    return house.state()


@pytest.mark.parametrize("death", DEATHS)
def test_killed_and_run_again(house: House, undisturbed: dict[str, object], death: str) -> None:
    fill(house)
    assert finish(start(house, death, SOURCE)) == -signal.SIGKILL
    if death == "half_written":
        assert any(p.stat().st_size for p in (house.home / "lake/bronze").rglob("*.parquet"))
    rows = house.sql("SELECT count(*) FROM bronze.traffic_counts__hour")
    assert rows in ([(0,)], [(700,)]), "all of a batch is visible, or nothing"
    house.ingest(SOURCE)
    assert house.state() == undisturbed
    house.check_ledger()
    versions = house.versions()
    assert house.ingest(SOURCE)[0].files == 0
    assert house.versions() == versions


def test_killed_again_and_again(house: House, undisturbed: dict[str, object]) -> None:
    fill(house)
    for death in ("half_written", "after_quarantine", "after_commit"):
        assert finish(start(house, death, SOURCE)) == -signal.SIGKILL
    house.put(
        SOURCE, "4.csv", export("a", 600), modified=1_800_000_003
    )  # 1.csv again, before anybody healed the ledger
    house.ingest(SOURCE)
    house.check_ledger()
    assert house.counts("1.csv") == (600, 600, 0, 0)
    assert house.counts("4.csv") == (600, 0, 600, 0)
    assert house.state()["traffic_counts__hour"] == undisturbed["traffic_counts__hour"]


@pytest.mark.parametrize("lock", ["", ":unlocked"])
def test_two_processes_at_once(house: House, undisturbed: dict[str, object], tmp_path: Path, lock: str) -> None:
    """With the file lock, and without it: then the compare-and-swap of the commit is what protects."""
    fill(house)
    both = [start(house, f"meet:{tmp_path}:2{lock}", SOURCE) for _ in range(2)]
    assert [finish(p) for p in both] == [0, 0]
    if lock:
        assert len(list(tmp_path.iterdir())) == 2, "both were about to commit at the same time"
    assert house.state() == undisturbed
    house.check_ledger()


def test_three_processes_with_different_files_of_one_source(house: House, tmp_path: Path) -> None:
    """Overlapping files that arrive between the looks of unlocked processes: each row is loaded by exactly one."""
    landings = []
    for number in range(3):
        other = type(house)(tmp_path / f"home{number}")
        other.home.mkdir()
        (other.home / "lake").symlink_to(house.home / "lake")
        other.put(SOURCE, f"{number}.csv", export("a", 400 + 50 * number))
        landings.append(other)
    (tmp_path / "meeting").mkdir()
    crowd = [start(other, f"meet:{tmp_path / 'meeting'}:3:unlocked", SOURCE) for other in landings]
    assert [finish(p) for p in crowd] == [0, 0, 0]
    house.check_ledger()
    assert house.sql("SELECT count(*), count(DISTINCT start_time) FROM bronze.traffic_counts__hour") == [(500, 500)]
    assert sum(v[1] for v in house.ledger().values()) == 500


def test_sources_that_refuse_rows_at_the_same_time(house: House, tmp_path: Path) -> None:
    """They share the quarantine: a conflict there is tried again, and costs no source its load."""
    scada = "Site;Voie;Libellé;Horodatage;Valeur;Unité;Qualité\r\n"
    meters = "user key;datetime;meter reading;diff\n"
    for number in range(5):
        house.put(SOURCE, f"{number}.csv", export(f"s{number}", 3) + "s,rue,hier,1,0,1,0,0,60\n")
        house.put("water_meters", f"{number}.csv", f"{meters}m{number};hier;1;1\nm;01/09/2026 0{number}:00:00;1;1\n")
        house.put(
            "water_scada", f"SOFREL_R{number}_20260901.csv", f"{scada}R{number};C;D;hier;1;m;Bon\r\n".encode("cp1252")
        )
    sources = (SOURCE, "water_meters", "water_scada")
    assert [finish(p) for p in [start(house, f"refuse:{tmp_path}:3", source) for source in sources]] == [0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 3, "all were about to write to the quarantine at the same time"
    assert len(house.quarantine()) == 15
    house.check_ledger()


def test_landing_and_code_give_the_lake_back(house: House, undisturbed: dict[str, object]) -> None:
    fill(house)
    house.ingest(SOURCE)
    shutil.rmtree(house.home / "lake")
    house.ingest(SOURCE)
    assert house.state() == undisturbed
