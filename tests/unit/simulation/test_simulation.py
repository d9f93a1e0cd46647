"""The simulated exports: the same bytes each time, the formats the platforms write, a truth that adds up."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from ingestion.contract import load_contracts
from ingestion.landing import discover, members
from ingestion.territory import load_territory
from simulation import asset_register, carpool_sites, lighting, simulate, traffic_counts, water_scada
from simulation.clock import is_holiday, midnight
from simulation.job import Job
from simulation.truth import Truth

if TYPE_CHECKING:
    from pathlib import Path

    from ingestion.contract import FileFormat

AUTUMN, SPRING = date(2026, 10, 25), date(2026, 3, 29)
PARIS = ZoneInfo("Europe/Paris")
HEADER_LINES = {"csv": 1, "jsonl": 0}  # other formats have no lines to count


class Entry(NamedTuple):
    """One line of the true ledger."""

    source: str
    file: str
    read: int
    loaded: int
    duplicate: int
    quarantined: int


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def ledger(out: Path) -> list[Entry]:
    return [
        Entry(r["source"], r["file"], *(int(r[f"rows_{k}"]) for k in ("read", "loaded", "duplicate", "quarantined")))
        for r in rows(out / "_truth" / "ledger.csv")
    ]


def content(out: Path, source: str, file: str) -> bytes:
    """Bytes of a file, or of the member after `!`."""
    name, _, member = file.partition("!")
    path = out / source / name
    if member:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    return gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()


def digests(out: Path) -> dict[str, str]:
    files = sorted(p for p in out.rglob("*") if p.is_file())
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def job(out: Path, **changes: object) -> Job:
    known = {"seed": 58, "start": AUTUMN, "days": 2, "scale": 0.2, "territory": load_territory(), "truth": Truth()}
    return Job(out=out, **{**known, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine days around the 25-hour day: a whole week, its overlap, a change of month in neither."""
    out = tmp_path_factory.mktemp("autumn")
    simulate(out, start=AUTUMN - timedelta(days=6), days=9, scale=0.3)
    return out


@pytest.fixture(scope="module")
def spring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("spring")
    simulate(out, start=SPRING, days=1, scale=0.1)
    return out


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 58), ("two", 58), ("other", 59)):
        simulate(tmp_path / name, seed=seed, start=AUTUMN, days=2, scale=0.05)  # a Sunday has no rounds to draw
    one, two, other = (digests(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert any(name.endswith(".zip") for name in one)
    assert any(name.endswith(".gz") for name in one)
    sources = {name.split("/")[0] for name in one}
    changed = {name.split("/")[0] for name, _ in set(one.items()) ^ set(other.items())}
    # limits follow from the centres of the communes, and what is put right is always the same
    assert changed == sources - {"commune_contours", "corrections"}


def test_a_platform_alone_writes_the_same_bytes(tmp_path: Path) -> None:
    simulate(tmp_path / "all", start=AUTUMN, days=2, scale=0.2)
    for module in (water_scada, traffic_counts):
        module.write(job(tmp_path / "alone"))
        assert digests(tmp_path / "alone" / module.SOURCE) == digests(tmp_path / "all" / module.SOURCE)


def test_progress_names_every_source(tmp_path: Path) -> None:
    told: list[str] = []
    simulate(tmp_path, days=1, scale=0.01, progress=told.append)
    assert told == sorted(p.name for p in tmp_path.iterdir() if p.name != "_truth")


@pytest.mark.parametrize(("days", "scale"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))])
def test_nonsense_is_refused(tmp_path: Path, days: int, scale: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        simulate(tmp_path, days=days, scale=scale)


@pytest.mark.parametrize("which", ["autumn", "spring"])
def test_every_file_is_in_the_ledger_once_per_table(which: str, request: pytest.FixtureRequest) -> None:
    """Members of archives, sheets and layers are files of their own; a zipped shapefile is one."""
    out: Path = request.getfixturevalue(which)
    entries = Counter((e.source, e.file) for e in ledger(out))
    files = [p for p in out.rglob("*") if p.is_file() and p.parent.name != "_truth"]
    written = {
        (p.relative_to(out).parts[0], p.relative_to(out / p.relative_to(out).parts[0]).as_posix()) for p in files
    }
    assert {(source, file.partition("!")[0]) for source, file in entries} == written
    taken = Counter(
        (c.id, file.name)
        for c in load_contracts()
        for container in discover(c, out)
        for file in members(container, c)[0]
        if file.matches(c.files)
    )
    assert entries == taken
    assert set(entries.values()) == {1}, "two tables that read one file must differ by sheet or layer"
    names = [file for _, file in entries]
    for kind in (".zip!", ".xlsx!", ".gpkg!"):
        assert any(kind in name for name in names), kind
    assert any(name.endswith(".zip") for name in names), "a zipped shapefile"


def _records(data: bytes, fmt: FileFormat) -> int:
    """Lines that are not blank; a quoted text may run over several."""
    if fmt.reader == "jsonl":
        return sum(1 for line in data.splitlines() if line.strip())
    text = io.StringIO(data.decode(fmt.encoding), newline="")
    quoting = csv.QUOTE_MINIMAL if fmt.quote else csv.QUOTE_NONE
    return sum(
        1 for row in csv.reader(text, delimiter=fmt.delimiter, quotechar=fmt.quote or None, quoting=quoting) if row
    )


@pytest.mark.parametrize("which", ["autumn", "spring"])
def test_ledger_adds_up_and_counts_the_lines(which: str, request: pytest.FixtureRequest) -> None:
    out: Path = request.getfixturevalue(which)
    entries = ledger(out)
    for e in entries:
        assert e.read == e.loaded + e.duplicate + e.quarantined
        assert min(e[2:]) >= 0
    refused = Counter((r["source"], r["file"]) for r in rows(out / "_truth" / "quarantine.csv"))
    assert refused == Counter({(e.source, e.file): e.quarantined for e in entries if e.quarantined})
    true = {(e.source, e.file): e.read for e in entries}
    counted: set[str] = set()
    for c in load_contracts():
        for container in discover(c, out):
            for file in members(container, c)[0]:
                fmt = c.resolved(file.matches).format
                if fmt.reader in HEADER_LINES and fmt.unpivot is None:
                    above = 3 if fmt.preamble else HEADER_LINES[fmt.reader]
                    records = _records(content(out, c.id, file.name), fmt)
                    assert records - above == true[c.id, file.name], file.name
                    counted.add(c.id)
    assert len(counted) > 20


def test_quarantine_points_at_the_bad_cell(autumn: Path) -> None:
    header = water_scada.HEADER.split(";")
    refused = [r for r in rows(autumn / "_truth" / "quarantine.csv") if r["source"] == "water_scada"]
    assert {r["reason_kind"] for r in refused} == {"bad_number", "bad_date"}
    for r in refused:
        line = content(autumn, r["source"], r["file"]).decode("cp1252").split("\r\n")[int(r["line"]) - 1]
        cell = line.split(";")[header.index(r["column"])]
        assert cell.startswith("31/02/") if r["reason_kind"] == "bad_date" else cell in {"-----", "###"}


@pytest.mark.parametrize(("which", "day", "points"), [("autumn", AUTUMN, 100), ("spring", SPRING, 92)])
def test_scada_days_of_25_and_23_hours(which: str, day: date, points: int, request: pytest.FixtureRequest) -> None:
    out: Path = request.getfixturevalue(which)
    whole = 0
    silent = [e for e in ledger(out) if e.source == "water_scada"][-1].file  # the last unit may miss hours
    for e in ledger(out):
        if e.source != "water_scada" or f"{day:%Y%m%d}" not in e.file or e.duplicate or e.quarantined:
            continue
        lines = content(out, e.source, e.file).decode("cp1252").splitlines()
        assert lines[0] == "Site;Voie;Libellé;Horodatage;Valeur;Unité;Qualité"
        if e.file != silent:
            counts = Counter(line.split(";")[1] for line in lines[1:])
            assert set(counts.values()) == {points}
            whole += 1
    assert whole


def test_scada_second_pass_follows_the_first(autumn: Path) -> None:
    text = content(autumn, "water_scada", f"SOFREL_RTU01_{AUTUMN:%Y%m%d}.csv").decode("cp1252")
    clock = [line.split(";")[3][11:16] for line in text.splitlines()[1:] if ";PRS01;" in line]
    assert clock[8:17] == ["02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00"]


def _scada(out: Path) -> dict[tuple[str, str], list[tuple[str, str, str]]]:
    """Per channel: date, value and quality of every point, corrections applied, repeats and bad rows left out."""
    found: dict[tuple[str, str], dict[tuple[str, int], tuple[str, str, str]]] = defaultdict(dict)
    for path in sorted((out / "water_scada").iterdir()):
        passes: Counter[tuple[str, str, str]] = Counter()
        before = ""
        for line in path.read_bytes().decode("cp1252").splitlines()[1:]:
            site, code, _, when, value, _, quality = line.split(";")
            if line == before or when.startswith("31/02") or value in {"-----", "###"}:
                continue
            before = line
            passes[site, code, when] += 1
            found[site, code][when, passes[site, code, when]] = (when[:10], value, quality)
    return {key: list(points.values()) for key, points in found.items()}


def test_counters_equal_the_true_volumes(autumn: Path) -> None:
    points = _scada(autumn)
    truth = {(r["unit_id"], r["business_date"]): float(r["volume_m3"]) for r in _truth(autumn, "water_daily_volume")}
    days = sorted({day for _, day in truth})
    compared = 0
    for unit in sorted({unit for unit, _ in truth}):
        first = {}
        for day, value, quality in points[unit, "IDX01"]:
            if day not in first:
                first[day] = (value, quality)
        stamps = {d: first[f"{d[8:]}/{d[5:7]}/{d[:4]}"] for d in days}
        for today, tomorrow in pairwise(days):
            (begin, good), (end, fine) = stamps[today], stamps[tomorrow]
            gained = (int(end) - int(begin)) % 1_000_000 if good != "Invalide" and fine != "Invalide" else -1
            if gained >= 0 and not (unit == "RTU02" and int(end) < int(begin)):  # RTU02, first tank: reset that day
                assert gained == pytest.approx(truth[unit, today], abs=1.0)
                compared += 1
    assert compared > 40


def test_one_counter_rolls_over_and_one_is_reset(autumn: Path) -> None:
    values = {
        unit: [int(v) for _, v, quality in _scada(autumn)[unit, "IDX01"] if quality == "Bon"]
        for unit in ("RTU01", "RTU02")
    }
    drops = {u: [(a, b) for a, b in pairwise(v) if b < a] for u, v in values.items()}
    assert [a > 999_000 and b < 1000 for a, b in drops["RTU01"]] == [True]
    assert [a < 900_000 and b < 1000 for a, b in drops["RTU02"]] == [True]


def _truth(out: Path, name: str) -> list[dict[str, str]]:
    return rows(out / "_truth" / f"{name}.csv")


def test_production_exceeds_distribution(autumn: Path) -> None:
    totals: dict[str, float] = defaultdict(float)
    for r in _truth(autumn, "water_daily_volume"):
        totals[r["measure"]] += float(r["volume_m3"])
    assert totals["distributed"] / totals["produced"] == pytest.approx(0.93, abs=0.02)


def test_correction_differs_in_six_rows_and_comes_last(autumn: Path) -> None:
    (again,) = (autumn / "water_scada").glob("*_bis.csv")
    first = again.with_name(again.name.replace("_bis", ""))
    assert sorted([again.name, first.name]) == [first.name, again.name]
    pairs = zip(first.read_bytes().splitlines(), again.read_bytes().splitlines(), strict=True)
    assert sum(a != b for a, b in pairs) == 6


def test_energy_rows_give_the_true_energy(autumn: Path) -> None:
    truth = {(r["prm"], r["business_date"]): r for r in _truth(autumn, "building_daily_energy")}
    seen: dict[tuple[str, str], float] = defaultdict(float)
    stamps: Counter[tuple[str, datetime]] = Counter()
    for path in (autumn / "building_energy").glob("*.csv"):
        _, meta, header, *lines = path.read_text(encoding="utf-8-sig").splitlines()
        prm, unit = meta.split(";")[0], meta.split(";")[7]
        assert header == "Horodate;Valeur"
        assert len(prm) == 14
        for line in lines:
            text, value = line.split(";")
            stamp = datetime.fromisoformat(text)
            stamps[prm, stamp.astimezone(ZoneInfo("UTC"))] += 1
            start = stamp - timedelta(seconds=1) if unit == "W" else stamp
            day = start.astimezone(PARIS).date().isoformat()
            seen[prm, day] += int(value or 0) * int(truth[prm, day]["step_minutes"]) / 60_000
    assert set(stamps.values()) == {1}
    whole = [key for key, r in truth.items() if r["steps_blank"] == "0" and r["steps_missing"] == "0"]
    assert len(whole) > 9
    for key in whole:
        assert seen[key] == pytest.approx(float(truth[key]["energy_kwh"]), abs=0.001)
    assert {r["step_minutes"] for r in truth.values()} == {"10", "30", "60"}
    assert any(int(r["steps_missing"]) for r in truth.values())
    assert any(prm.startswith("0") for prm, _ in truth)


def test_lorawan_frames_and_losses(autumn: Path) -> None:
    received: Counter[str] = Counter()
    distinct: set[tuple[str, int, str]] = set()
    for path in (autumn / "lorawan_uplinks").glob("chirpstack*"):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            frame = json.loads(line)
            v3 = path.name.startswith("chirpstack3_")
            eui = frame["devEUI"] if v3 else frame["deviceInfo"]["devEui"]
            time = frame["publishedAt"] if v3 else frame["time"]
            assert time[:10].replace("-", "") in path.name
            assert 1 <= len(frame["rxInfo"]) <= 3
            assert frame.get("fCnt") != 0
            received[eui] += 1
            distinct.add((eui, frame.get("fCnt", 0), time))
    truth = {r["dev_eui"]: r for r in _truth(autumn, "lorawan_devices")}
    assert {e: int(r["received_frames"]) + int(r["resent_frames"]) for e, r in truth.items()} == received
    servers = [e for e in ledger(autumn) if e.source == "lorawan_uplinks" and e.file.startswith("chirpstack")]
    loaded = sum(e.loaded for e in servers)
    assert loaded == len(distinct)
    assert all(int(r["sent_frames"]) - int(r["lost_frames"]) == int(r["received_frames"]) for r in truth.values())
    assert sum(int(r["resets"]) for r in truth.values()) == 1


def test_traffic_labels_both_hours_winter_time(autumn: Path) -> None:
    text = (autumn / "traffic_counts" / "telraam_2026-10.csv").read_text(encoding="utf-8")
    table = list(csv.DictReader(io.StringIO(text)))
    first = [r for r in table if r["segment_id"] == table[0]["segment_id"] and r["date"].startswith("2026-10-25 0")]
    assert [r["date"][11:] for r in first[1:5]] == ["01:00:00 CEST", "02:00:00 CET", "02:00:00 CET", "03:00:00 CET"]
    for r in table:
        uptime = float(r["uptime"])
        assert uptime == 0 or 0.5 <= uptime <= 0.85
        for kind in ("car", "heavy", "bike", "pedestrian"):
            assert float(r[kind]) == pytest.approx(float(r[f"{kind}_lft"]) + float(r[f"{kind}_rgt"]), abs=1e-6)
            assert uptime or float(r[kind]) == 0
    truth = _truth(autumn, "traffic_hourly")
    assert len(truth) == len(table)
    assert [int(r["measured"]) for r in truth] == [int(float(r["uptime"]) > 0) for r in table]


def test_meters_readings_give_the_true_volumes(autumn: Path) -> None:
    volumes: Counter[tuple[str, str]] = Counter()
    known: set[str] = set()
    repeated = 0
    for e in [e for e in ledger(autumn) if e.source == "water_meters"]:
        text = content(autumn, e.source, e.file).decode("utf-8")
        assert text.startswith("user key;datetime;meter reading;diff\r\n")
        passes: Counter[str] = Counter()
        for line in text.split("\r\n")[1:-1]:
            key, when, reading, difference = line.split(";")
            passes[f"{key}{when}"] += when.startswith("25/10/2026 02:")
            identity = f"{line}#{passes[f'{key}{when}']}"
            if identity in known:
                repeated += 1
                continue
            known.add(identity)
            drawn = int(difference) if int(difference) >= 0 else int(reading)
            volumes[key, f"{when[6:10]}-{when[3:5]}-{when[:2]}"] += drawn
    assert repeated == sum(e.duplicate for e in ledger(autumn) if e.source == "water_meters")
    truth = _truth(autumn, "water_meters_daily")
    assert {(r["user_key"], r["business_date"]): int(r["volume_l"]) for r in truth} == volumes
    assert sum(int(r["replaced"]) for r in truth) == 1
    assert {r["readings_expected"] for r in truth if r["business_date"] == "2026-10-25"} == {"25"}
    assert any(r["readings_sent"] < r["readings_expected"] for r in truth)


def test_register_knows_every_native_identifier(autumn: Path) -> None:
    text = next((autumn / "asset_register").iterdir()).read_bytes()
    assert text.startswith(b"\xef\xbb\xbfsource;identifiant;nom;categorie;code_insee;longitude;latitude;usage;")
    table = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig")), delimiter=";"))
    known = {(r["source"], r["identifiant"]) for r in table}
    assert len(known) == len(table)
    columns = {
        "building_daily_energy": ("building_energy", "prm"),
        "lorawan_devices": ("lorawan_uplinks", "dev_eui"),
        "traffic_hourly": ("traffic_counts", "segment_id"),
        "water_daily_volume": ("water_scada", "unit_id"),
        "water_meters_daily": ("water_meters", "user_key"),
    }
    for name, (source, column) in columns.items():
        assert {(source, r[column]) for r in _truth(autumn, name)} <= known
    communes = {c.insee: c for c in load_territory().communes}
    for r in table:
        home = communes[r["code_insee"]]
        assert abs(float(r["latitude"]) - home.latitude) < 0.01
        assert abs(float(r["longitude"]) - home.longitude) < 0.014
        assert date.fromisoformat(r["mise_en_service"]) < AUTUMN


def test_carpool_snapshots_change(tmp_path: Path) -> None:
    month = job(tmp_path, start=date(2026, 10, 5), days=29, scale=0.1)
    carpool_sites.write(month)
    month.truth.write(tmp_path / "_truth")
    whole = tmp_path / "whole"
    carpool_sites.write(job(whole, start=date(2026, 10, 5), days=1, scale=1.0))
    names = sorted(p.name for p in (tmp_path / "carpool_sites").iterdir())
    assert names == ["bnlc_20261005.csv", "bnlc_20261102.csv"]
    before, after = (
        {r["id_lieu"]: r for r in csv.DictReader(io.StringIO((tmp_path / "carpool_sites" / n).read_text("utf-8")))}
        for n in names
    )
    changes = Counter(r["change"] for r in _truth(tmp_path, "carpool_changes"))
    assert changes["appeared"] == len(after.keys() - before.keys()) == 1
    assert changes["disappeared"] == len(before.keys() - after.keys()) == 1
    assert changes["changed"] == sum(before[k] != after[k] for k in before.keys() & after.keys())
    base = rows(whole / "carpool_sites" / "bnlc_20261005.csv")
    here = {c.insee for c in load_territory().communes}
    assert sum(r["insee"] in here for r in base) == 22
    assert {"01", "2A", "2B"} <= {r["insee"][:2] for r in base}
    assert any(not r["nbre_pl"] for r in base)


def _register(out: Path, scale: float) -> Counter[tuple[str, str]]:
    """Things by platform and kind."""
    asset_register.write(job(out, days=1, scale=scale))
    text = next((out / "asset_register").iterdir()).read_text(encoding="utf-8-sig")
    return Counter((r["source"], r["categorie"]) for r in csv.DictReader(io.StringIO(text), delimiter=";"))


def test_scale_multiplies_devices_and_keeps_one_of_each(tmp_path: Path) -> None:
    tiny, real, twice = (_register(tmp_path / str(scale), scale) for scale in (0.001, 1.0, 2.0))
    assert set(tiny) == set(real) == set(twice)
    assert min(tiny.values()) == 1
    assert sum(tiny.values()) < sum(real.values()) / 8
    assert all(tiny[kind] <= real[kind] <= twice[kind] for kind in real)
    scada, meters = (
        {k: n for (source, k), n in twice.items() if source == "water_scada"},
        twice["water_meters", "compteur"],
    )
    assert scada == {"usine": 8, "reservoir": 28, "surpresseur": 4, "chambre": 4}
    assert meters == 100


def test_the_territory_has_its_real_size(tmp_path: Path) -> None:
    real = _register(tmp_path, 1.0)
    by_source: Counter[str] = Counter()
    for (source, _), count in real.items():
        by_source[source] += count
    assert by_source["water_scada"] == 22
    assert by_source["water_loggers"] == 66
    assert by_source["water_meters"] == 50
    night = job(tmp_path, days=1, scale=1.0)
    lighting.write(night)
    night.truth.write(tmp_path / "_truth")
    assert len({r["light_point_id"] for r in _truth(tmp_path, "lighting_light_points")}) == 1300


def test_calendar() -> None:
    holidays = [date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25), date(2026, 11, 1), date(2027, 3, 29)]
    assert all(is_holiday(day) for day in holidays)
    assert not is_holiday(date(2026, 4, 7))
    assert midnight(date(2026, 10, 26), PARIS) - midnight(AUTUMN, PARIS) == 25 * 3600
