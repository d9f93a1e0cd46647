"""The water sources but remote supervision: loggers, sectors, map, work orders, the operator's reports, the river."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyogrio
import pytest
from pyogrio.raw import read_arrow
from python_calamine import CalamineWorkbook

from ingestion.territory import load_territory
from simulation import (
    hydrometry,
    water_delegate,
    water_gis,
    water_loggers,
    water_sectors,
    water_work_orders,
)
from simulation.assets import units
from simulation.job import Job
from simulation.truth import Truth
from simulation.water_district import district, signals
from simulation.water_network import flows
from simulation.water_pipes import lambert93, pipes

AUTUMN, SPRING = date(2026, 10, 25), date(2026, 3, 29)
START, DAYS = date(2026, 10, 17), 12
PLATFORMS = (hydrometry, water_delegate, water_gis, water_loggers, water_sectors, water_work_orders)


def simulated(out: Path, **changes: object) -> Job:
    known = {"seed": 58, "start": START, "days": DAYS, "scale": 1.0, "territory": load_territory(), "truth": Truth()}
    job = Job(out=out, **{**known, **changes})  # type: ignore[arg-type]
    for platform in PLATFORMS:
        platform.write(job)
    job.truth.write(out / "_truth")
    return job


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Twelve days at full scale around the 25-hour day."""
    return simulated(tmp_path_factory.mktemp("autumn"))


def truth(job: Job, name: str) -> list[dict[str, str]]:
    with (job.out / "_truth" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def lines(job: Job, name: str) -> list[list[str]]:
    """Rows of a logger file under its header."""
    text = (job.out / "water_loggers" / name).read_text("ascii")
    return [line.split(";") for line in text.splitlines()[1:]]


def french(text: str) -> date:
    """The day of `25/10/2026 02:00:00`."""
    return date(int(text[6:10]), int(text[3:5]), int(text[:2]))


def number(text: str) -> float:
    return float(text.replace(",", "."))


def readings(job: Job) -> dict[str, dict[tuple[date, int], tuple[float, str]]]:
    """Flow and pressure by logger and (day, position in the day): refused and repeated rows left out."""
    found: dict[str, dict[tuple[date, int], tuple[float, str]]] = defaultdict(dict)
    for path in sorted((job.out / "water_loggers").glob("ENR*.csv")):
        passes: Counter[str] = Counter()
        before: list[str] = []
        for row in lines(job, path.name):
            if row == before or row[1].startswith("31/02") or row[3] in {"###", "ERR"}:
                continue
            before = row
            passes[row[1]] += 1
            day, clock = french(row[1]), row[1][11:]
            second = 100 * (passes[row[1]] - 1)
            found[row[0]][day, second + int(clock[:2]) * 4 + int(clock[3:5]) // 15] = (number(row[2]), row[3])
    return found


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("one", 58), ("two", 58), ("other", 59)):
        simulated(tmp_path / name, seed=seed, days=3, scale=0.1)
        files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        digests.append({p.relative_to(tmp_path / name): hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    one, two, other = digests
    assert one == two
    assert {p.suffix for p in one} == {".csv", ".gpkg", ".json", ".xlsx"}
    changed = {path.parts[0] for path, _ in set(one.items()) ^ set(other.items())}
    assert changed >= {p.SOURCE for p in PLATFORMS}


def test_the_sizes_of_the_territory(autumn: Job) -> None:
    network = district(autumn)
    assert (len(network.sectors), len(network.loggers)) == (20, 66)
    assert len({logger.native_id for logger in network.loggers}) == 66
    assert {s.commune.insee for s in network.sectors} == {c.insee for c in autumn.territory.communes}
    inhabitants = sum(s.inhabitants for s in network.sectors)
    assert inhabitants == pytest.approx(sum(c.population for c in autumn.territory.communes), abs=10)
    used = [pipe for pipe in pipes(autumn) if pipe.state == "en_service"]
    assert sum(pipe.length_m for pipe in used) == pytest.approx(400_000, abs=1)
    for sector in network.sectors:
        length = sum(pipe.length_m for pipe in used if pipe.sector == sector)
        assert length == pytest.approx(sector.length_km * 1000, abs=0.01)
    assert len(water_loggers.things(autumn)) == 66


def test_inlets_carry_what_the_tanks_give(autumn: Job) -> None:
    axis, network = autumn.axis(15), district(autumn)
    truly = signals(autumn, axis, network)
    tanks = [unit for unit in units(autumn) if unit.category == "reservoir"]
    supervised = flows(autumn, axis, units(autumn))  # what the remote units of water_scada show
    for zone, tank in enumerate(tanks):
        inlets = [x for x in network.loggers if x.kind.startswith("inlet") and x.sector.zone == zone]
        carried = sum(truly.flow[x.native_id] for x in inlets)
        assert carried == pytest.approx(supervised[tank.native_id].rate)


def test_signed_sums_of_the_files_are_the_sectors_volumes(autumn: Job) -> None:
    found = readings(autumn)
    signs: dict[str, dict[str, int]] = defaultdict(dict)
    (table,) = sorted((autumn.out / "water_sectors").glob("*.csv"))
    for row in csv.DictReader(table.read_text("utf-8").splitlines(), delimiter=";"):
        if row["enregistreur"]:
            signs[row["secteur"]][row["enregistreur"]] = int(row["signe"])
    expected = {AUTUMN: 100}
    compared = 0
    for row in truth(autumn, "water_sector_daily"):
        day = date.fromisoformat(row["business_date"])
        volume, whole = 0.0, True
        for logger, sign in signs[row["sector_id"]].items():
            flow = [value for (when, _), (value, _) in found[logger].items() if when == day]
            whole &= len(flow) == expected.get(day, 96)
            volume += sign * sum(flow) / 4
        if whole:
            assert volume == pytest.approx(float(row["volume_m3"]), abs=0.5)
            compared += 1
    assert len(signs) == 20
    assert compared > 0.9 * 20 * DAYS - 10


@pytest.mark.parametrize(("day", "points"), [(AUTUMN, 100), (SPRING, 92)])
def test_days_of_25_and_23_hours(tmp_path: Path, day: date, points: int) -> None:
    job = simulated(tmp_path, start=day, days=1, scale=0.1)
    names = [p.name for p in (tmp_path / "water_loggers").glob("ENR*.csv")]
    sizes = {r["file"]: r for r in truth(job, "ledger") if r["source"] == "water_loggers" and "ENR" in r["file"]}
    whole = [n for n in names if sizes[n]["rows_duplicate"] == "0"]
    assert {len(lines(job, n)) for n in whole} == {points} or {len(lines(job, n)) for n in whole} == {
        points,
        points - 14,
    }
    assert any(len(lines(job, n)) == points for n in whole)
    if day == AUTUMN:
        name = next(n for n in whole if sizes[n]["rows_quarantined"] == "0")
        clock = [row[1][11:16] for row in lines(job, name)]
        assert clock[8:17] == ["02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00"]
    expected = {int(r["readings_expected"]) for r in truth(job, "water_loggers_daily")}
    assert expected == {points}


def test_files_late_again_corrected_and_silent(autumn: Job) -> None:
    names = sorted(p.name for p in (autumn.out / "water_loggers").glob("ENR*.csv"))
    days = {name: {row[1][:10] for row in lines(autumn, name) if not row[1].startswith("31/02")} for name in names}
    (late,) = [name for name in names if len(days[name]) > 1]
    assert len(days[late]) == 4
    logger, until = late[:6], date.fromisoformat(late[7:15])
    assert not any(f"{logger}_{until - timedelta(days=n):%Y%m%d}.csv" in names for n in (1, 2, 3))

    again = [name for name in names if "_R1" in name]
    changes = []
    for name in again:
        pairs = zip(lines(autumn, name.replace("_R1", "")), lines(autumn, name), strict=True)
        changes.append(sum(a != b for a, b in pairs))
    assert sorted(changes) == [0, 8]

    last = f"{START + timedelta(days=DAYS - 1):%Y%m%d}.csv"
    (silent,) = {name[:6] for name in names} - {name[:6] for name in names if name.endswith(last)}
    assert sum(name.startswith(silent) for name in names) == DAYS * 3 // 4
    heard = {
        (r["logger_id"], r["business_date"]): int(r["readings_sent"]) for r in truth(autumn, "water_loggers_daily")
    }
    assert [n for (one, _), n in sorted(heard.items()) if one == silent] == [96] * 8 + [100] + [0] * 3
    holed = {key: n for key, n in heard.items() if n not in {0, 96, 100}}
    assert list(holed.values()) == [96 - 14]


def test_water_that_runs_backwards_is_negative(autumn: Job) -> None:
    found = readings(autumn)
    links = {x.native_id: x.kind for x in district(autumn).loggers if x.kind in {"closed", "one_way", "reversible"}}
    below = {name for name, values in found.items() if any(flow < 0 for flow, _ in values.values())}
    assert below == {name for name, kind in links.items() if kind == "reversible"}
    assert {flow for name, kind in links.items() if kind == "closed" for flow, _ in found[name].values()} == {0.0}


def test_bulletins_say_what_the_readings_say_but_one(autumn: Job) -> None:
    said: dict[tuple[str, str], list[str]] = {}
    for path in sorted((autumn.out / "water_loggers").glob("bulletin_*.csv")):
        rows = lines(autumn, path.name)
        assert all(len(row) == 7 for row in rows)
        said |= {(row[0], row[1]): row[2:] for row in rows if row[2]}
    (wrong,) = truth(autumn, "water_bulletin_wrong")
    silent = 0
    for row in truth(autumn, "water_loggers_daily"):
        day = date.fromisoformat(row["business_date"])
        figures = said.get((row["logger_id"], f"{day:%d/%m/%Y}"))
        if figures is None:
            silent += 1
            continue
        if (row["logger_id"], row["business_date"]) == (wrong["logger_id"], wrong["business_date"]):
            assert number(figures[0]) == pytest.approx(1.27 * float(row["volume_m3"]), abs=0.01)
        else:
            assert number(figures[0]) == pytest.approx(float(row["volume_m3"]), abs=0.006)
        names = ("flow_min_m3_h", "flow_max_m3_h", "flow_mean_m3_h", "flow_night_m3_h")
        assert [number(f) for f in figures[1:]] == pytest.approx([float(row[n]) for n in names], abs=0.006)
    assert silent == DAYS - DAYS * 3 // 4


def test_the_leak_shows_in_one_sector_only(tmp_path: Path) -> None:
    job = simulated(tmp_path, start=date(2026, 10, 5), days=35)
    (leak,) = truth(job, "water_leak")
    onset = leak["onset_time"][:10]
    nights: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for r in truth(job, "water_sector_daily"):
        nights[r["sector_id"]].append((r["business_date"], float(r["night_flow_m3_h"]), float(r["leak_m3"])))
    growth = {}
    for sector, rows in nights.items():
        before = [flow for day, flow, _ in rows if day <= onset]
        growth[sector] = sum(flow for _, flow, _ in rows[-5:]) / 5 / (sum(before) / len(before))
    assert max(growth, key=growth.__getitem__) == leak["sector_id"]
    assert growth.pop(leak["sector_id"]) > 1.6
    assert max(growth.values()) < 1.25
    lost = [volume for day, _, volume in nights[leak["sector_id"]] if day > onset]
    assert all(a < b or (a > b and n == 4) for n, (a, b) in enumerate(pairwise(lost)))  # but after the 25-hour day
    total = sum(volume for _, _, volume in nights[leak["sector_id"]])
    assert total == pytest.approx(float(leak["leak_m3"]), abs=0.1)
    assert not any(volume for sector, rows in nights.items() if sector != leak["sector_id"] for *_, volume in rows)


def test_the_map_has_the_layers_of_the_model(autumn: Job) -> None:
    (path,) = (autumn.out / "water_network").glob("*.gpkg")
    sizes = {}
    for layer, kind in pyogrio.list_layers(path):
        info = pyogrio.read_info(path, layer=layer)
        assert info["crs"] == "EPSG:2154"
        sizes[layer] = (kind, info["features"])
    entries = {r["file"].split("!")[1]: int(r["rows_read"]) for r in truth(autumn, "ledger") if ".gpkg" in r["file"]}
    assert {layer: n for layer, (_, n) in sizes.items()} == entries
    assert [kind for kind, _ in sizes.values()] == ["LineString", "Point", "Polygon"]
    _, table = read_arrow(path, layer=water_gis.PIPES)
    assert len(table.column_names) == 56
    numbers = table["id_canalisation"].to_pylist()
    assert numbers[-1] is None
    assert len(set(numbers)) == len(numbers)
    assert -9999 in table["an_pose_sup"].to_pylist()
    codes = table["id_aep_canalisation"].to_pylist()
    assert 1 < codes.count(None) < len(codes) / 50
    _, repaired = read_arrow(path, layer=water_gis.REPAIRS)
    assert set(repaired["supportIncident"].to_pylist()) <= set(codes)


def test_lambert93() -> None:
    # PROJ's answer for the centre of Nevers
    assert lambert93(3.157004, 46.988096) == pytest.approx((711_932.8048, 6_654_220.5577), abs=0.001)


def test_the_second_map_has_the_repairs_since(tmp_path: Path) -> None:
    job = simulated(tmp_path, start=date(2026, 10, 5), days=30)
    first, second = sorted((tmp_path / "water_network").glob("*.gpkg"))
    before, after = (
        set(read_arrow(p, layer=water_gis.REPAIRS)[1]["idReparation"].to_pylist()) for p in (first, second)
    )
    assert before < after
    assert {r["repair_id"] for r in truth(job, "water_repairs")} == after


def sheet(path: Path) -> list[list[object]]:
    return CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()


def test_orders_only_go_forward(autumn: Job) -> None:
    rank = {"Ouverte": 0, "En cours": 1, "Terminée": 2}
    last: dict[str, int] = {}
    states: set[object] = set()
    typed = 0
    for path in sorted((autumn.out / "water_work_orders").glob("*.xlsx")):
        *above, header = sheet(path)[:4]
        assert tuple(header) == water_work_orders.HEADER
        assert above[0][0] == "Interventions sur le réseau d'eau potable"
        *rows, total = sheet(path)[4:]
        assert (total[0], total[1]) == ("TOTAL", "")
        for row in rows:
            assert rank[str(row[11])] >= last.get(str(row[0]), 0)
            last[str(row[0])] = rank[str(row[11])]
            typed += isinstance(row[8], str)
            states.add(row[11])
            assert (row[10] != "") == (row[11] == "Terminée")
    assert typed
    assert states >= {"Ouverte", "Terminée"}
    for r in truth(autumn, "water_work_orders"):
        reported = datetime.fromisoformat(r["reported_time"]).date()
        known = [d for d in (r["located_date"], r["done_date"]) if d]
        assert known == sorted(known)
        assert all(date.fromisoformat(d) >= reported for d in known)


def test_the_ledger_counts_the_rows_of_the_workbooks(autumn: Job) -> None:
    above = {"water_work_orders": 4, "water_delegate": 5}
    compared = 0
    for r in truth(autumn, "ledger"):
        if r["source"] in above:
            path = autumn.out / r["source"] / r["file"].split("!")[0]
            assert len(sheet(path)) - above[r["source"]] == int(r["rows_read"])
            compared += 1
    assert compared == 2 + 4


def test_the_operators_figures_hang_together(autumn: Job) -> None:
    for r in truth(autumn, "water_delegate_year"):
        consumed = sum(int(r[n]) for n in ("metered_domestic_m3", "metered_other_m3", "unmetered_m3", "service_m3"))
        assert float(r["efficiency_pct"]) == pytest.approx(100 * consumed / int(r["imported_m3"]), abs=0.05)
    first, second = (sheet(autumn.out / "water_delegate" / f"RAD_2024{v}.xlsx")[5:7] for v in ("", "_v2"))
    assert [a == b for a, b in zip(first, second, strict=True)] == [False, True]
    assert sum(a != b for a, b in zip(first[0], second[0], strict=True)) == 2


def test_pages_of_the_river_give_its_level(autumn: Job) -> None:
    found: dict[tuple[str, str], float | None] = {}
    states: Counter[int] = Counter()
    pages = sorted((autumn.out / "hydrometry").iterdir())
    for path in pages:
        document = json.loads(path.read_bytes())
        last = path.name.endswith("_p0002.json")
        assert (document["next"] is None) == last
        assert (document["prev"] is None) == (not last)
        assert {"count", "next", "data"} <= set(document)
        for record in document["data"]:
            assert record["code_station"] == "K193001010"
            found[record["grandeur_hydro"], record["date_obs"]] = record["resultat_obs"]
            states[record["code_qualification_obs"]] += 1
    assert set(states) == {16, 20}
    level = {r["observed_time"]: (int(r["height_mm"]), int(r["discharge_l_s"])) for r in truth(autumn, "river_level")}
    blank = [key for key, value in found.items() if value is None]
    assert sorted(quantity for quantity, _ in blank) == ["H", "Q"]
    wrong = 0
    for (quantity, when), value in found.items():
        if value is not None:
            wrong += value != level[when]["HQ".index(quantity)]
    assert 0 < wrong < 0.02 * len(found)  # some were never asked again after they were corrected
    missing = {when for when in level if ("H", when) not in found}
    assert 3 <= len(missing) <= 3 + 8 + 4
    heights = [height for height, _ in level.values()]
    assert min(heights) < 0 < 2000 < max(heights)


def test_a_year_of_the_calendar_with_another_territory_of_the_same_code(tmp_path: Path) -> None:
    """The catalogue's names are Nevers's: elsewhere communes are taken in turn, and the sums still hold."""
    home = load_territory()
    renamed = home.model_copy(
        update={"communes": tuple(c.model_copy(update={"name": f"Commune {c.insee}"}) for c in home.communes[:3])}
    )
    job = simulated(tmp_path, territory=renamed, days=2, scale=0.3)
    assert {r["insee_code"] for r in truth(job, "water_sectors")} <= {c.insee for c in renamed.communes}
    assert len(truth(job, "water_sector_daily")) == 2 * len(district(job).sectors)
