"""Sources about the territory, from their files to silver: the ledger, the quarantine and the tables are the truth."""

from __future__ import annotations

import csv
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingestion.pseudonyms import KEY_ENV
from ingestion.territory import load_territory
from simulation import (
    addresses,
    asset_register,
    deliberations,
    events,
    grants,
    urban_assets,
    wifi_sessions,
)
from simulation.job import Job
from simulation.truth import Truth
from tests.parsed import parsed_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tests.conftest import House

REAL = Path(__file__).resolve().parents[3] / "shared/real"
MONTPELLIER = REAL / "fr_montpellier_2014"
MODULES = (addresses, deliberations, events, grants, urban_assets, wifi_sessions)
SOURCES = tuple(module.SOURCE for module in MODULES)
SILVER = (
    "equipment",
    "equipment_match",
    "wifi_session",
    "wifi_usage_hour",
    "event",
    "event_timing",
    "grant_award",
    "deliberation",
    "address",
)
START, DAYS, SCALE = date(2026, 10, 5), 35, 0.2
needs_real_files = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside this checkout")


def simulated(landing: Path, *, days: int = DAYS, scale: float = SCALE, modules: tuple[Any, ...] = MODULES) -> None:
    truth = Truth()
    job = Job(out=landing, seed=58, start=START, days=days, scale=scale, territory=load_territory(), truth=truth)
    for module in modules:
        module.write(job)
    truth.write(landing / "_truth")


def build(house: House, *models: str, tested: bool = False) -> None:
    """Build models and what they stand on; dbt's own data tests are asked where they are `tested`, see simulated.py."""
    from ingestion.contract import load_contracts
    from ingestion.load import ensure_tables
    from orchestration import declared, pipeline

    parsed_into(house.home)
    with house.lived_in(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_LOG_PATH", str(house.home / "dbt/logs"))
        ensure_tables(load_contracts())
        declared.write()
        done = pipeline.dbt(
            "build", *pipeline.WITHOUT_FILES, "--exclude-resource-type", "unit_test", *(["test"] * (not tested)),
            "--indirect-selection", "cautious", "--select", *(f"+{model}" for model in models),
        )  # fmt: skip
    faults = [(r.node.name, r.status, r.message) for r in done.result or () if r.status not in ("success", "pass")]
    assert done.success, faults or done.exception


def silver(house: House, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query over tables named `silver.x` or `gold.x`."""
    from lake import engine

    with house.lived_in():
        con = engine.connect(attach=False)
        try:
            for layer, name in set(re.findall(r"\b(silver|gold)\.(\w+)", query)):
                engine.attach_table(con, layer, name)
            return con.execute(query).fetchall()
        finally:
            con.close()


@pytest.fixture(scope="module")
def loaded(new_house: Callable[[], House]) -> House:
    house = new_house()
    simulated(house.landing, modules=(asset_register, *MODULES))
    house.ingest("asset_register", *SOURCES)
    return house


@pytest.fixture(scope="module")
def built(loaded: House) -> House:
    build(loaded, *SILVER)
    return loaded


def truth(house: House, name: str) -> list[dict[str, str]]:
    with (house.landing / "_truth" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# landing to bronze


def test_the_ledger_is_the_truth(loaded: House) -> None:
    names = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
    expected = {(t["source"], t["file"]): tuple(int(t[n]) for n in names) for t in truth(loaded, "ledger")}
    found = {(k[0].split("__")[0], k[1]): v[:4] for k, v in loaded.ledger().items()}
    assert found == expected
    assert not any(reason for *_, reason in loaded.ledger().values())
    loaded.check_ledger()


def test_the_quarantine_is_the_truth(loaded: House) -> None:
    expected = {(t["file"], int(t["line"]), t["column"]) for t in truth(loaded, "quarantine")}
    entries = loaded.quarantine()
    assert {(file, line, column or "") for file, line, column, *_ in entries} == expected
    assert len(entries) == len(expected)
    assert all(reason and raw and rows == 1 for *_, reason, raw, rows in entries)


def test_a_producer_is_told_what_is_wrong_in_its_own_words(loaded: House) -> None:
    reasons = {(column, reason) for _, _, column, reason, *_ in loaded.quarantine("challuy_mobilier_20261005.csv")}
    assert reasons == {
        ("Type", "« Sculpture » : un de : Place handicapé, Banc, Corbeille, Fontaine, DAE, Wifi gratuit attendu"),
        ("Longitude", "« à relever » : un nombre à virgule décimal attendu"),
    }


def test_again_changes_nothing(loaded: House) -> None:
    before = loaded.versions()
    assert all(done.files == 0 for done in loaded.ingest(*SOURCES))
    assert loaded.versions() == before


def test_what_nobody_announced_is_known_and_kept_only_where_it_may_be(loaded: House) -> None:
    drift = loaded.sql(
        """SELECT DISTINCT source, "column" FROM ops.schema_drift WHERE kind = 'new_column' ORDER BY ALL"""
    )
    assert drift == [("urban_assets", "Coût (€)"), ("wifi_sessions", "Nom d'hôte DHCP")]
    extras = loaded.sql("SELECT DISTINCT series_id FROM bronze.urban_assets__asset WHERE extra IS NOT NULL")
    assert extras == [("germigny_liste",)]
    assert loaded.sql("SELECT count(extra) FROM bronze.wifi_sessions__session") == [(0,)]


# silver


def test_equipment_is_the_truth(built: House) -> None:
    """One row per asset that its last list names; those that the agglomeration lists too are there once."""
    found = silver(
        built,
        """SELECT producer_siren, coalesce(producer_ref, ''), category, insee_code, longitude, latitude,
            position_quality, also_listed_id IS NOT NULL FROM silver.equipment""",
    )
    expected = [
        (t["producer"], t["ref"], t["category"], t["insee_code"], *(float(t[k]) if t[k] else None for k in ("longitude",
         "latitude")), t["position"], t["listed_twice"] == "1")
        for t in truth(built, "urban_assets")
    ]  # fmt: skip

    def rounded(rows: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
        # one list has five decimals, and centroids of drawn spaces their own rounding: a metre is the same place
        return Counter((*r[:4], *(None if v is None else round(v, 4) for v in r[4:6]), *r[6:]) for r in rows)

    difference = rounded(found) - rounded(expected), rounded(expected) - rounded(found)
    # a value between two roundings may fall either way
    close = {(*f[:4], *f[6:]): (f[4] or 0, f[5] or 0) for f in difference[0]}
    for f in difference[1]:
        assert (*f[:4], *f[6:]) in close, f
        assert close[(*f[:4], *f[6:])] == pytest.approx((f[4] or 0, f[5] or 0), abs=1.1e-4)
    assert len(found) == len(expected)
    assert sum(twice for *_, twice in found) > 20


def test_what_is_listed_twice_is_decided_on_evidence(built: House) -> None:
    """Two people measured the same space or defibrillator 3 m apart at most; every pair that was looked at is kept."""
    twice = sum(t["listed_twice"] == "1" for t in truth(built, "urban_assets"))
    ((same, far, lost),) = silver(
        built,
        """SELECT count(*) FILTER (decision = 'same'), max(distance_m) FILTER (decision = 'same'),
            count(*) FILTER (also_listed_id IN (SELECT equipment_id FROM silver.equipment) AND decision = 'same')
        FROM silver.equipment_match""",
    )
    assert (same, lost) == (twice, 0)
    assert far <= 3.5  # and the rounding of one list to five decimals


def test_equipment_keeps_what_only_some_have(built: House) -> None:
    rows = silver(
        built,
        """SELECT any_value(attributes ->> '$.ssid'), any_value(attributes ->> '$."Coût (€)"'),
            any_value(attributes ->> '$.phone'), count_if(is_accessible), count(installed_date)
        FROM silver.equipment""",
    )
    ((ssid, cost, phone, accessible, dated),) = rows
    assert (ssid, phone) == ("Nevers-Agglo-Public", "03 86 00 00 00")
    assert int(cost) > 100
    assert accessible > 0
    assert dated > 50


def test_ids_hold_from_one_list_to_the_next(built: House) -> None:
    """Challuy gives no numbers and Nevers does: what is in both lists, by number or by place, keeps its id."""
    lists = built.sql(
        """SELECT split_part(source_file, '_', 3)[:8], list(producer_siren || ':' || category || ':'
            || coalesce(asset_ref, printf('@%.5f,%.5f', least(longitude, latitude), greatest(longitude, latitude))))
        FROM bronze.urban_assets__asset
        WHERE series_id IN ('challuy_mobilier', 'nevers_mobilier') AND longitude IS NOT NULL
        GROUP BY ALL ORDER BY ALL"""
    )
    first, second = (set(ids) for _, ids in lists)
    ids = {i for (i,) in silver(built, "SELECT equipment_id FROM silver.equipment")}
    assert second <= ids
    assert len(first) - 4 < len(first & second) < len(first)
    # what has gone, and where what moved without a number was
    assert not (first - second) & ids


def test_wifi_sessions_are_the_truth(built: House) -> None:
    found = silver(
        built,
        """SELECT timezone('Europe/Paris', start_time)::DATE::VARCHAR, access_point_id, count(*), sum(duration_min)
        FROM silver.wifi_session GROUP BY ALL""",
    )
    expected = [
        (t["business_date"], t["access_point"], int(t["sessions"]), int(t["duration_min"]))
        for t in truth(built, "wifi_sessions_daily")
    ]
    assert sorted(found) == sorted(e for e in expected if e[2])
    assert silver(built, "SELECT count(*) FROM silver.wifi_session WHERE insee_code IS NULL") == [(0,)]


def test_wifi_usage_tells_every_session_of_a_day_or_none(built: House) -> None:
    """Each part of a day, counted again, has 11 devices behind it, and the parts hold all sessions of the day."""
    sessions = silver(
        built,
        """SELECT thing_id, timezone('Europe/Paris', start_time)::DATE AS day,
        hour(timezone('Europe/Paris', start_time)) AS hour, device_id FROM silver.wifi_session""",
    )
    parts = silver(
        built, "SELECT thing_id, business_date, start_hour, end_hour, session_count FROM gold.wifi_usage_hour"
    )
    days = {(thing, day) for thing, day, *_ in parts}
    expected = Counter((thing, day) for thing, day, *_ in sessions if (thing, day) in days)
    told: Counter[tuple[Any, ...]] = Counter()
    for thing, day, begin, end, count in parts:
        inside = [device for t, d, hour, device in sessions if (t, d) == (thing, day) and begin <= hour < end]
        assert len(inside) == count
        assert len(set(inside)) >= 11
        told[thing, day] += count
    assert told == expected
    assert len({end - begin for _, _, begin, end, _ in parts}) > 1


def test_devices_are_counted_by_the_day_and_followed_no_further(built: House) -> None:
    """A device is the same all day at every hotspot, and somebody else the day after."""
    same = silver(
        built,
        """SELECT count(DISTINCT device_id), count(DISTINCT (start_date, device_id)),
            bool_and(start_time = date_trunc('hour', start_time) AND end_time = date_trunc('hour', end_time))
        FROM silver.wifi_session""",
    )
    ((devices, device_days, on_the_hour),) = same
    assert devices == device_days
    assert on_the_hour
    per_place = silver(
        built,
        """SELECT sum(devices) FROM (SELECT count(DISTINCT device_id) AS devices FROM silver.wifi_session
            GROUP BY timezone('Europe/Paris', start_time)::DATE, access_point_id)""",
    )
    told = sum(int(t["devices"]) for t in truth(built, "wifi_sessions_daily"))
    # pseudonyms change at midnight UTC: a device seen both before and after it, at night, counts twice
    assert told <= per_place[0][0] <= told * 1.02


def test_events_are_the_truth(built: House) -> None:
    found = silver(
        built,
        """SELECT event_id, status, timing_count, attendance_mode = 'online', coalesce(insee_code, '')
        FROM silver.event""",
    )
    words = {"1": "scheduled", "2": "rescheduled", "6": "cancelled"}
    expected = [
        (t["uid"], words[t["status"]], int(t["timings"]), t["online"] == "1", t["insee_code"])
        for t in truth(built, "events")
    ]
    assert sorted(found) == sorted(expected)
    ((shared, timings, orphans),) = silver(
        built,
        """SELECT (SELECT count(*) FROM silver.event WHERE contains(agenda_ids, ';')),
            (SELECT count(*) FROM silver.event_timing),
            (SELECT count(*) FROM silver.event_timing ANTI JOIN silver.event USING (event_id))""",
    )
    assert (shared > 0, timings, orphans) == (True, sum(e[2] for e in expected), 0)


def test_grants_are_the_truth(built: House) -> None:
    found = silver(
        built,
        """SELECT grant_id, coalesce(beneficiary_siret, ''), coalesce(beneficiary_rna, ''), insee_code, amount_eur,
            beneficiary_share, deliberation_id, convention_date::VARCHAR, is_siret_valid FROM silver.grant_award""",
    )
    expected = [
        (t["grant_id"], t["siret"], t["rna"], t["insee_code"], float(t["amount"]), float(t["share"]), t["act_id"],
         t["convention_date"], bool(t["siret"]))
        for t in truth(built, "grants")
    ]  # fmt: skip
    assert sorted(found) == sorted(expected)
    unknown = "SELECT count(*) FROM silver.grant_award ANTI JOIN silver.deliberation USING (deliberation_id)"
    assert silver(built, unknown) == [(0,)]


def test_deliberations_are_the_truth(built: House) -> None:
    found = silver(
        built,
        """SELECT deliberation_id, session_date::VARCHAR, matter_code, coalesce(voter_count, 0),
            coalesce(against_count, 0), coalesce(abstention_count, 0), vote_result,
            coalesce(prefecture_date::VARCHAR, ''), is_vote_consistent FROM silver.deliberation""",
    )
    words = {"Adopté à l\u2019unanimité": "unanimous", "Adopté à la majorité": "majority", "Ajourné": "postponed"}
    expected = [
        (t["act_id"], t["session_date"], t["matter_code"], *(int(t[k]) for k in ("voters", "against", "abstentions")),
         words[t["result"]], t["received_date"], True)
        for t in truth(built, "deliberations")
    ]  # fmt: skip
    assert sorted(found) == sorted(expected)
    assert {f[2] for f in found} >= {"7.1", "7.10"}


def test_addresses_are_the_truth(built: House) -> None:
    found = silver(
        built,
        """SELECT insee_code, street_name, coalesce(house_number, 99999), coalesce(suffix, ''), longitude, latitude,
            is_certified, position_count FROM silver.address""",
    )
    expected = [
        (t["insee_code"], t["street"], int(t["number"]), t["suffix"], *(float(t[k]) if t[k] else None
         for k in ("longitude", "latitude")), t["certified"] == "1", int(t["positions"]))
        for t in truth(built, "addresses")
    ]  # fmt: skip
    assert Counter(found) == Counter(expected)


def test_a_new_producer_may_follow_the_model_and_is_told_when_it_does_not(house: House) -> None:
    """No variant is needed for a file with the contract's own headers; another one is held, with what it lacks."""
    model = "siren_producteur;identifiant;categorie;nom;code_insee;longitude;latitude;date_pose;accessible_pmr"
    house.put(
        "urban_assets", "syndicat_20261005.csv", f"{model}\n200000000;7;banc;Banc du port;58194;3.16;46.98;2024;oui\n"
    )
    house.put("urban_assets", "inconnu_20261005.csv", "Machin;Truc\n1;2\n")
    house.ingest("urban_assets")
    assert house.counts("syndicat_20261005.csv") == (1, 1, 0, 0)
    assert house.sql(
        """SELECT series_id, asset_ref, category, category_label, longitude, installed_date::VARCHAR, is_accessible
        FROM bronze.urban_assets__asset"""
    ) == [("syndicat", "7", "bench", "banc", 3.16, "2024-01-01", True)]
    ((_, _, _, reason, _, rows),) = house.quarantine("inconnu_20261005.csv")
    assert reason == "colonne obligatoire absente : « siren_producteur » ; colonnes trouvées : Machin, Truc"
    assert rows == 1


# what must never be found


SECRETS = ("mac", "device_name", "account")


WINDOW = 8  # bytes looked up at a time


def spellings(secret: str) -> set[bytes]:
    """A value as a person or a program might write it, in lower case, in the two encodings of the lake's neighbours."""
    bare = re.sub(r"[:.-]", "", secret) if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", secret) else secret
    texts = {text.lower() for text in (secret, bare, secret.replace(":", "-"))}
    return {text.encode(encoding) for text in texts for encoding in ("utf-8", "latin-1")}


def everything_kept(house: House) -> Iterator[tuple[str, bytes]]:
    """(where, bytes) of all that an installation holds but its landing: files as they are, and values of every table.

    Parquet is read file by file, not through the Delta log: a file that a newer version replaced is still there.
    """
    from lake import engine

    con = engine.connect(attach=False)
    for path in sorted(p for p in house.home.rglob("*") if p.is_file() and house.landing not in p.parents):
        data = path.read_bytes()
        name = path.relative_to(house.home).as_posix()
        yield name, data
        if data.startswith(b"PAR1"):
            rows = con.execute(f"SELECT to_json(COLUMNS(*))::VARCHAR FROM read_parquet('{path}')").fetchall()
            yield name, "\n".join(str(value) for row in rows for value in row).encode()
    con.close()


def windows(data: bytes) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Every run of eight bytes as one number, by the offset of the first."""
    for offset in range(WINDOW):
        count = (len(data) - offset) // WINDOW
        yield offset, np.frombuffer(data, "<u8", max(count, 0), offset if count > 0 else 0)


def found_again(house: House, secrets: set[str]) -> set[tuple[str, str]]:
    """Where each secret is. Thousands of them in tens of megabytes: each is looked up by its rarest eight bytes."""
    patterns = {spelling: secret for secret in secrets for spelling in spellings(secret)}
    assert all(len(p) >= WINDOW for p in patterns)
    common = Counter(p[n : n + WINDOW] for p in patterns for n in range(len(p) - WINDOW + 1))
    by_window: dict[bytes, list[tuple[int, bytes]]] = {}
    for p in patterns:
        at = min(range(len(p) - WINDOW + 1), key=lambda n, p=p: common[p[n : n + WINDOW]])
        by_window.setdefault(p[at : at + WINDOW], []).append((at, p))
    wanted = np.array([int.from_bytes(w, "little") for w in by_window], np.uint64)
    found = set()
    for where, data in everything_kept(house):
        text = data.lower()
        for offset, numbers in windows(text):
            for position in (np.flatnonzero(np.isin(numbers, wanted)) * WINDOW + offset).tolist():
                for at, p in by_window[text[position : position + WINDOW]]:
                    if text.startswith(p, position - at):
                        found.add((where, patterns[p]))
    return found


def delivered(house: House) -> set[str]:
    """Secrets that the landing really holds."""
    text = "".join(p.read_text("utf-8", "replace") for p in (house.landing / "wifi_sessions").iterdir())
    return {t[kind] for t in truth(house, "wifi_sessions_secret") for kind in SECRETS if t[kind] in text}


def awkward_files(house: House) -> None:
    """What a controller can get wrong so that values stand where names and messages are made of them."""
    devices = truth(house, "wifi_sessions_secret")
    folder = house.landing / "wifi_sessions"
    lines = (folder / "sessions_20261005.csv").read_text("utf-8").splitlines()
    header, body = lines[0], lines[1:-5]
    cells = [line.split(";") for line in body]
    moment = cells[0][7]

    def put(day: str, *content: str) -> None:
        house.put("wifi_sessions", f"sessions_{day}.csv", "\r\n".join(content) + "\r\n")

    put("20261101", *body)  # no header: the first session is taken for one
    put("20261102", header, *(";".join((*c[:7], c[3], *c[8:])) for c in cells))  # all starts are addresses: held
    put("20261103", header, *(f"{line};{c[4]}" for line, c in zip(body, cells, strict=True)))  # all too wide: held
    # no header, and a device that has no name but its address: the first line names a column twice
    put("20261104", *(";".join((*c[:4], c[3], *c[5:])) for c in cells))
    put("20261106", header, *body, f'"{body[0]}', *body)  # a quote that is not closed
    put("20261107", header, ";".join((*cells[0][:7], f"{moment[:13]}:99", *cells[0][8:])))
    put(devices[2]["mac"].replace(":", ""), header, *body)  # a name that no pattern foresees
    house.put("wifi_sessions", "sessions_20261108.csv", (header + "\r\n" + body[0]).encode("utf-16"))
    house.put("wifi_sessions", "sessions_20261109.csv", (header + "\r\n" + "\r\n".join(body)).encode("cp1252"))
    house.put("wifi_sessions", "sessions_20261110.zip", b"PK\x03\x04" + body[0].encode())


@pytest.fixture(scope="module")
def hostile(new_house: Callable[[], House]) -> House:
    house = new_house()
    simulated(house.landing, days=3, scale=0.1, modules=(wifi_sessions,))
    awkward_files(house)
    house.ingest("wifi_sessions")
    return house


def test_nobody_is_found_in_the_whole_installation(built: House) -> None:
    """Bronze, silver, ops, the Delta log, dbt's own database, compiled models and logs."""
    secrets = delivered(built)
    assert len(secrets) > 500
    places = {where.split("/")[0] for where, _ in everything_kept(built)}
    assert places >= {"lake", "dbt"}
    assert found_again(built, secrets) == set()


def test_nobody_is_found_after_awkward_files(hostile: House) -> None:
    secrets = delivered(hostile)
    status = Counter(status for *_, status, _ in hostile.ledger().values())
    assert status["held"] >= 6
    assert len(hostile.quarantine()) > 15
    # the file's own name is what the operator looks for in landing: nobody can rename it, so it is left out
    named = {t["mac"] for t in truth(hostile, "wifi_sessions_secret")[2:3]}
    assert found_again(hostile, secrets - named) == set()


def test_the_search_finds_what_is_there(hostile: House) -> None:
    """The pseudonyms that replaced them are found, in a table that is compressed: so would the values be."""
    ((device,),) = hostile.sql("SELECT device_id FROM bronze.wifi_sessions__session LIMIT 1")
    assert {where.split("/")[1] for where, _ in found_again(hostile, {device})} == {"bronze"}


def test_no_contact_of_an_organiser_is_kept(loaded: House) -> None:
    text = "".join(p.read_text("utf-8") for p in (loaded.landing / "events").iterdir())
    contacts = set(re.findall(r"[\w.]+@association\.example", text))
    assert len(contacts) > 10
    assert found_again(loaded, contacts) == set()


def test_another_key_gives_other_pseudonyms(hostile: House, new_house: Callable[[], House]) -> None:
    devices = "SELECT DISTINCT device_id FROM bronze.wifi_sessions__session"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_ENV, "une tout autre clé, longue elle aussi")
        other = new_house()
        other.ingest("wifi_sessions", landing=hostile.landing)
    assert len(other.sql(devices)) == len(hostile.sql(devices))
    assert not set(other.sql(devices)) & set(hostile.sql(devices))


# real files


@pytest.fixture(scope="module")
def real(new_house: Callable[[], House]) -> House:
    house = new_house()
    paths = [
        *MONTPELLIER.glob("*Defibrillateurs/*.csv"),
        *MONTPELLIER.glob("*Defibrillateurs/*.geojson"),
        *MONTPELLIER.glob("*Fontaines/*.csv"),
        *MONTPELLIER.glob("*Fontaines/*.geojson"),
        *MONTPELLIER.glob("*Recyclage/*"),
    ]
    for source, files in (("urban_assets", paths), ("events", [REAL / "openagenda/events.json"])):
        (house.landing / source).mkdir(parents=True)
        for path in files:
            (house.landing / source / path.name).symlink_to(path)
    house.ingest("urban_assets", "events")
    return house


@pytest.fixture(scope="module")
def real_built(real: House) -> House:
    build(real, "equipment", "event", "event_timing", tested=True)
    return real


@needs_real_files
def test_the_ledger_of_real_files(real: House) -> None:
    """Counts of their SOURCE.md, which says 228 defibrillators: that is the CSV's lines, 167 records over several."""
    assert {k[1]: v[:5] for k, v in real.ledger().items()} == {
        "OSM_MTP_Recyclage.csv": (69, 69, 0, 0, "loaded"),
        "OSM_MTP_Recyclage.geojson": (69, 69, 0, 0, "loaded"),
        "VilleMTP_MTP_Defibrilateurs.geojson": (167, 167, 0, 0, "loaded"),
        "VilleMTP_MTP_Defibrillateurs.csv": (167, 167, 0, 0, "loaded"),
        "VilleMTP_MTP_Fontaines.csv": (48, 48, 0, 0, "loaded"),
        "VilleMTP_MTP_Fontaines.geojson": (48, 48, 0, 0, "loaded"),
        "events.json": (40, 40, 0, 0, "loaded"),
    }
    real.check_ledger()


@needs_real_files
def test_two_forms_of_a_real_list_are_one(real_built: House) -> None:
    found = silver(
        real_built,
        """SELECT category, count(*), count(longitude), list(DISTINCT position_quality), list(DISTINCT insee_code)
        FROM silver.equipment GROUP BY category ORDER BY category""",
    )
    assert found == [
        ("defibrillator", 167, 167, ["given"], ["34172"]),
        ("fountain", 48, 48, ["given"], ["34172"]),
        ("recycling_point", 69, 69, ["given"], ["34172"]),
    ]
    ((units, taps),) = silver(real_built, "SELECT count(unit_count), sum(unit_count) FROM silver.equipment")
    with (MONTPELLIER / "VilleMTP_MTP_Fontaines/VilleMTP_MTP_Fontaines.csv").open(encoding="latin-1") as stream:
        told = [row["BORNE_FONT"] for row in csv.DictReader(stream)]
    assert (units, taps) == (sum(t != "" for t in told), sum(int(t) for t in told if t))


@needs_real_files
def test_accents_and_decimal_commas_of_real_lists(real_built: House) -> None:
    both = real_built.sql(
        """SELECT source_file, name, longitude, latitude FROM bronze.urban_assets__asset
        WHERE category = 'defibrillator' AND asset_ref = '1' ORDER BY source_file"""
    )
    assert [row[1:] for row in both] == [("Maison de la Prévention Santé", 3.87952263361082, 43.6071285339217)] * 2
    east = "SELECT min(longitude) > 3.7, max(longitude) < 4.1, min(latitude) > 43.5 FROM silver.equipment"
    assert silver(real_built, east) == [(True, True, True)]


@needs_real_files
def test_a_real_agenda(real_built: House) -> None:
    ((events_, titled, placed, towns, online),) = silver(
        real_built,
        """SELECT count(*), count(title), count(longitude), count(DISTINCT commune_name),
            count_if(attendance_mode <> 'on_site') FROM silver.event""",
    )
    assert (events_, titled, placed, towns, online) == (40, 40, 40, 6, 0)
    # latitude comes first in the file: none is taken for a place in the Indian Ocean
    assert silver(real_built, "SELECT count(*) FROM silver.event WHERE longitude NOT BETWEEN -5 AND 10") == [(0,)]
    assert silver(real_built, "SELECT count(*), count(DISTINCT event_id) FROM silver.event_timing") == [(308, 40)]
    firsts = silver(
        real_built,
        """SELECT event_id, first_start_time::VARCHAR, last_end_time::VARCHAR FROM silver.event
        WHERE event_id = '52614576'""",
    )
    # what the portal says itself of the first and last times, in UTC
    assert firsts == [("52614576", "2026-03-18 08:00:00+00", "2026-03-19 15:00:00+00")]
    assert silver(real_built, "SELECT count(*) FROM silver.event WHERE regexp_matches(long_description, '<[a-z]')") == [
        (0,)
    ]
