"""What becomes of a platform that changes its export, through real contracts, whatever the format.

A new column is kept, known by name only, or holds the file, as the contract says; a column that is gone is null, or holds
the file when it is required; a column of another type holds it. What is held leaves the last good rows as they were.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pytest
import xlsxwriter

from ingestion.contract import SourceContract, load_contracts
from ingestion.load import UNKNOWN_COLUMN
from ingestion.pseudonyms import KEY_ENV, KeyMissingError
from ingestion.typing import MASKED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import House

Row = dict[str, str]
ROWS = 24  # enough for the loader to tell a changed type from bad rows
NEW, WORD = "Nouveau", "mot nouveau"


def contract_of(bronze: str, **changed: Any) -> SourceContract:
    (found,) = [c for c in load_contracts() if c.bronze == bronze]
    return found.model_copy(update=changed)


def declared(contract: SourceContract, column: str, **changed: Any) -> SourceContract:
    """The contract with one column declared otherwise."""
    columns = [c.model_copy(update=changed) if c.name == column else c for c in contract.columns]
    return contract.model_copy(update={"columns": tuple(columns)})


@dataclass(frozen=True)
class Platform:
    """One source, and how its platform writes a file of some rows."""

    bronze: str
    file: str  # with a place for the day
    row: Callable[[int], Row]
    write: Callable[[list[Row]], bytes]
    absent: tuple[str, str]  # a column that may be null: the platform's name, ours
    required: str
    typed: str

    def rows(self, count: int = ROWS) -> list[Row]:
        return [self.row(number) for number in range(count)]

    def put(self, house: House, rows: list[Row], day: int = 5) -> str:
        name = self.file.format(day=f"202610{day:02d}")
        house.put(self.bronze.split("__")[0], name, self.write(rows))
        part = contract_of(self.bronze).format.part
        return f"{name}!{part}" if part else name


def air(number: int) -> Row:
    at = datetime(2026, 10, 5, tzinfo=UTC) + timedelta(minutes=15 * number)
    measured = dict.fromkeys(("NO2 (µg/m³)", "O3 (µg/m³)", "PM10 (µg/m³)", "PM2,5 (µg/m³)"), "12,5")
    return {
        "Code station": "A1",
        "Station": "x",
        "Date/heure (TU)": f"{at:%d/%m/%Y %H:%M}",
        **measured,
        "Validité": "Valide",
    }


def delimited(rows: list[Row]) -> bytes:
    return "".join(f"{';'.join(cells)}\r\n" for cells in [rows[0], *(r.values() for r in rows)]).encode("cp1252")


def round_(number: int) -> Row:
    return {
        "Date": f"{5 + number % 20:02d}/10/2026",
        "Tournée": f"T{number:02d}",
        "Camion": "BOM 1",
        "Secteur": "Nevers",
        "Flux": "Verre",
        "Tonnage (t)": "3,25",
        "Km": "41,5",
        "Observations": "",
    }


def workbook(rows: list[Row]) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Tournées")
        sheet.write_string(0, 0, "Suivi des tournées")
        for line, cells in enumerate([rows[0], *(r.values() for r in rows)], start=3):
            for place, cell in enumerate(cells):
                sheet.write_string(line, place, cell)
    return buffer.getvalue()


def fill_level(number: int) -> Row:
    at = datetime(2026, 10, 5, tzinfo=UTC) + timedelta(hours=number)
    return {"at": at.isoformat(), "fillLevel": "40", "temperature": "12.5", "battery": "3.5", "status": "ok"}


def document(rows: list[Row]) -> bytes:
    container = {"id": "C1", "name": "x", "stream": "VERRE", "capacityLitres": 4000, "location": {"cityCode": "58194"}}
    return json.dumps({"containers": [container | {"measurements": rows}]}).encode()


def register(number: int) -> Row:
    end = datetime(2026, 10, 5, 3, tzinfo=UTC) + timedelta(days=number)
    return {"dateFin": f"{end:%Y-%m-%dT%H:%M:%S}", "valeur": str(1000 + number)}


def markup(rows: list[Row]) -> bytes:
    above = {"grandeurMetier": "CONS", "grandeurPhysique": "EA", "typeCalendrier": "D", "codeClasseTemporelle": "HPH"}
    fixed = "".join(f"<{k}>{v}</{k}>" for k, v in (above | {"libelleClasseTemporelle": "x", "unite": "Wh"}).items())
    records = "".join(
        "<mesureDatee>" + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in row.items()) + "</mesureDatee>" for row in rows
    )
    series = f"<prmId>01234567890123</prmId>{fixed}<mesuresDateesListe>{records}</mesuresDateesListe>"
    whole = f"<serieMesuresDateesListe><serieMesuresDatees>{series}</serieMesuresDatees></serieMesuresDateesListe>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<R171>{whole}</R171>'.encode()


CSV = Platform(
    "air_stations__measure",
    "mesures_air_{day}.csv",
    air,
    delimited,
    ("O3 (µg/m³)", "o3_ug_m3"),
    "Validité",
    "NO2 (µg/m³)",
)
XLSX = Platform(
    "waste_collections__round", "tournees_{day}.xlsx", round_, workbook, ("Km", "distance_km"), "Camion", "Tonnage (t)"
)
JSON = Platform(
    "waste_bins__measurement", "waste_bins_{day}T010000Z_p0001.json", fill_level, document, ("battery", "battery_v"), "status",
    "temperature",
)  # fmt: skip
XML = Platform(
    "building_energy__index",
    "ENEDIS_R171_17X100A100A0581N_{day}030000.xml",
    register,
    markup,
    ("valeur", "value"),
    "dateFin",
    "valeur",
)
PLATFORMS = {"csv": CSV, "xlsx": XLSX, "json": JSON, "xml": XML}
every_format = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
with_a_header = pytest.mark.parametrize("platform", [CSV, XLSX], ids=["csv", "xlsx"])


def drift(house: House, file: str) -> list[tuple[str, str, str]]:
    """(kind, column, detail) of one file."""
    return sorted(
        (kind, column, detail)
        for name, kind, column, detail in house.sql('SELECT file, kind, "column", detail FROM ops.schema_drift')
        if name == file
    )


def extra(house: House, bronze: str) -> set[str | None]:
    return {e for (e,) in house.sql(f"SELECT DISTINCT extra FROM bronze.{bronze}")}


def with_new(rows: list[Row]) -> list[Row]:
    return [row | {NEW: WORD} for row in rows]


def without(rows: list[Row], name: str) -> list[Row]:
    return [{k: v for k, v in row.items() if k != name} for row in rows]


def held_with_the_last_good_rows(house: House, platform: Platform, contract: SourceContract, bad: list[Row]) -> str:
    """Load a good file, then a bad one: the reason why it is held."""
    platform.put(house, platform.rows(), day=5)
    (good,) = house.ingest(contract)
    assert (good.rows_loaded, good.held) == (ROWS, 0)
    before = house.bronze(platform.bronze, without=("",))
    file = platform.put(house, bad, day=6)
    (done,) = house.ingest(contract)
    assert (done.files, done.held, done.rows_loaded) == (1, 1, 0)
    assert house.bronze(platform.bronze, without=("",)) == before
    (ledger,) = [v for k, v in house.ledger().items() if k[1] == file]
    assert ledger[4] == "held"
    ((_, line, column, reason, _, rows),) = house.quarantine(file)
    assert (line, column, reason, rows) == (None, None, ledger[5], ledger[0])
    house.check_ledger()
    return str(reason)


@every_format
def test_files_after_the_contract_do_not_drift(house: House, platform: Platform) -> None:
    platform.put(house, platform.rows())
    (done,) = house.ingest(contract_of(platform.bronze))
    assert (done.rows_loaded, done.rows_quarantined, done.held) == (ROWS, 0, 0)
    assert house.sql("SELECT * FROM ops.schema_drift") == []
    assert extra(house, platform.bronze) == {None}


@every_format
def test_a_new_column_is_kept_and_recorded(house: House, platform: Platform) -> None:
    file = platform.put(house, with_new(platform.rows()))
    (done,) = house.ingest(contract_of(platform.bronze))
    assert done.rows_loaded == ROWS
    assert drift(house, file) == [("new_column", NEW, UNKNOWN_COLUMN["keep"])]
    assert {json.loads(e or "{}")[NEW] for e in extra(house, platform.bronze)} == {WORD}


@every_format
def test_a_new_column_of_which_only_the_name_is_kept(house: House, platform: Platform) -> None:
    file = platform.put(house, with_new(platform.rows()))
    (done,) = house.ingest(contract_of(platform.bronze, drift="mask"))
    assert done.rows_loaded == ROWS
    assert drift(house, file) == [("new_column", NEW, UNKNOWN_COLUMN["mask"])]
    assert extra(house, platform.bronze) == {None}
    assert_nowhere(house, WORD)


def assert_nowhere(house: House, text: str) -> None:
    """In no table of the lake, whatever its columns."""
    for name in house.versions():
        found = house.sql(f"SELECT count(*) FROM {name} AS t WHERE contains(t::VARCHAR, '{text}')")
        assert found == [(0,)], name


@every_format
def test_a_new_column_holds_the_file_where_the_contract_says_so(house: House, platform: Platform) -> None:
    contract = contract_of(platform.bronze, drift="stop")
    reason = held_with_the_last_good_rows(house, platform, contract, with_new(platform.rows()))
    assert reason == f"colonnes inconnues du contrat : {NEW}"
    recorded = house.sql('SELECT kind, "column", detail FROM ops.schema_drift')
    assert recorded == [("new_column", NEW, UNKNOWN_COLUMN["stop"])]


@with_a_header
def test_a_missing_column_is_null_and_recorded(house: House, platform: Platform) -> None:
    theirs, ours = platform.absent
    file = platform.put(house, without(platform.rows(), theirs))
    (done,) = house.ingest(contract_of(platform.bronze))
    assert done.rows_loaded == ROWS
    assert drift(house, file) == [("missing_column", theirs, "colonne absente du fichier")]
    assert house.sql(f"SELECT count({ours}) FROM bronze.{platform.bronze}") == [(0,)]


@with_a_header
def test_a_missing_optional_column_is_null_and_no_drift(house: House, platform: Platform) -> None:
    theirs, ours = platform.absent
    platform.put(house, without(platform.rows(), theirs))
    (done,) = house.ingest(declared(contract_of(platform.bronze), ours, optional=True))
    assert done.rows_loaded == ROWS
    assert house.sql("SELECT * FROM ops.schema_drift") == []
    assert house.sql(f"SELECT count({ours}) FROM bronze.{platform.bronze}") == [(0,)]


@pytest.mark.parametrize("platform", [JSON, XML], ids=["json", "xml"])
def test_an_object_may_lack_a_field(house: House, platform: Platform) -> None:
    """Servers leave out what is empty: an absent field says nothing about the schema."""
    theirs, ours = platform.absent
    platform.put(house, without(platform.rows(), theirs))
    (done,) = house.ingest(contract_of(platform.bronze))
    assert done.rows_loaded == ROWS
    assert house.sql("SELECT * FROM ops.schema_drift") == []
    assert house.sql(f"SELECT count({ours}) FROM bronze.{platform.bronze}") == [(0,)]


@every_format
def test_a_missing_required_column_holds_the_file(house: House, platform: Platform) -> None:
    bad = without(platform.rows(), platform.required)
    reason = held_with_the_last_good_rows(house, platform, contract_of(platform.bronze), bad)
    assert "obligatoire absent" in reason
    assert platform.required in reason


@every_format
def test_a_changed_type_holds_the_file(house: House, platform: Platform) -> None:
    bad = [row | {platform.typed: "fort"} for row in platform.rows()]
    reason = held_with_the_last_good_rows(house, platform, contract_of(platform.bronze), bad)
    assert f"la colonne {platform.typed} a changé de type" in reason
    assert "« fort »" in reason
    ((kind, column, detail),) = house.sql('SELECT kind, "column", detail FROM ops.schema_drift')
    assert (kind, column) == ("type_changed", platform.typed)
    assert "« fort »" in detail


@every_format
def test_a_few_bad_cells_are_bad_cells(house: House, platform: Platform) -> None:
    rows = platform.rows()
    rows[3] = rows[3] | {platform.typed: "fort"}
    file = platform.put(house, rows)
    (done,) = house.ingest(contract_of(platform.bronze))
    assert (done.rows_loaded, done.rows_quarantined, done.held) == (ROWS - 1, 1, 0)
    ((_, _, column, reason, raw, _),) = house.quarantine(file)
    assert column == platform.typed
    assert "« fort »" in reason
    assert "fort" in raw
    assert house.sql("SELECT * FROM ops.schema_drift") == []


@every_format
def test_what_was_held_loads_when_the_contract_follows_the_platform(
    house: House, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The declaration is changed, not the file: it is taken up by itself."""
    strict = contract_of(platform.bronze, drift="stop")
    platform.put(house, with_new(platform.rows()))
    assert house.ingest(strict)[0].held == 1
    assert house.ingest(strict)[0].files == 0, "tried once, and not again for nothing"
    monkeypatch.setattr("ingestion.load.contract_sha256", lambda _: "another declaration")
    (done,) = house.ingest(contract_of(platform.bronze))
    assert (done.rows_loaded, done.held) == (ROWS, 0)
    house.check_ledger()


# personal sources


HEADER = "Session;Borne;SSID;Adresse MAC;Nom de l'appareil;Compte du portail;Adresse IP;Début;Fin;Durée (min);Reçus (ko);Émis (ko)"
PERSON = (
    "S1;AP-1;Public;b8:29:7e:0c:f0:bf;PC-Camille;camille@courriel.example;10.2.216.9;2026-10-05T05:36:36+02:00;"
    "2026-10-05T06:00:36+02:00;24;4354;132"
)
SECRETS = ("b8:29:7e:0c:f0:bf", "PC-Camille", "camille@courriel.example", "10.2.216.9")


@pytest.fixture
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, "une clé de test, assez longue")


@pytest.mark.usefixtures("_key")
@pytest.mark.parametrize(
    ("text", "held"),
    [
        (f"{HEADER};Nouveau\n{PERSON};Camille Dupont\n", False),
        (f"{PERSON}\n{PERSON.replace('S1', 'S2')}\n", True),  # no header: the first person stands in its place
        (f"{HEADER}\n{PERSON.replace('24;', 'camille@courriel.example;')}\n", False),
        (f"{HEADER.replace('Session;', '')}\n{PERSON.removeprefix('S1;')}\n", True),
        (f"{HEADER}\n{PERSON};camille@courriel.example;10.2.216.9\n", False),  # a row of another width
    ],
    ids=["new column", "no header", "wrong cell", "required column gone", "ragged row"],
)
def test_nothing_of_a_person_is_kept_whatever_happens_to_the_file(house: House, text: str, held: bool) -> None:
    house.put("wifi_sessions", "sessions_20261005.csv", text)
    (done,) = house.ingest("wifi_sessions")
    assert done.held == held
    assert done.rows_read == len(text.splitlines()) - 1
    for secret in (*SECRETS, "Camille Dupont"):
        assert_nowhere(house, secret)
    house.check_ledger()


@pytest.mark.usefixtures("_key")
def test_a_file_without_header_is_recorded_without_its_first_line(house: House) -> None:
    house.put("wifi_sessions", "sessions_20261005.csv", f"{PERSON}\n{PERSON.replace('S1', 'S2')}\n")
    house.ingest("wifi_sessions")
    recorded = drift(house, "sessions_20261005.csv")
    assert ("new_column", MASKED, UNKNOWN_COLUMN["mask"]) in recorded
    assert {column for kind, column, _ in recorded if kind == "missing_column"} == set(HEADER.split(";"))


def test_a_personal_source_without_files_needs_no_key(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_ENV, raising=False)
    assert house.ingest("wifi_sessions")[0].files == 0
    house.put("wifi_sessions", "sessions_20261005.csv", f"{HEADER}\n{PERSON}\n")
    with pytest.raises(KeyMissingError, match=KEY_ENV):
        house.ingest("wifi_sessions")
    assert house.ledger() == {}


# order and lateness


def corrected(house: House, platform: Platform, day: int, value: str, count: int = 3) -> Path:
    rows = [row | {platform.typed: value} for row in platform.rows(count)]
    platform.put(house, rows, day=day)
    return house.landing


def latest(house: House, contract: SourceContract) -> list[tuple[Any, ...]]:
    """What staging reads: the last word on each key, by the source's own time."""
    key = ", ".join(contract.key)
    columns = ", ".join(c.name for c in contract.columns)
    return house.sql(
        f"""SELECT {columns}, source_file FROM bronze.{contract.bronze} QUALIFY row_number() OVER (PARTITION BY {key}
        ORDER BY source_time DESC, source_file DESC, delivered_time DESC, source_row DESC) = 1 ORDER BY ALL"""
    )


VALUES = {5: "1", 6: "2", 7: "3"}  # what the file of each day says


@every_format
def test_late_and_out_of_order_files_give_the_same_tables(new_house: Callable[[], House], platform: Platform) -> None:
    """The last writer by the source's own time has the last word, and every word is kept."""
    contract = contract_of(platform.bronze)
    states = []
    for order in permutations(VALUES) if platform is CSV else [(5, 6, 7), (7, 5, 6)]:
        house = new_house()
        for day in order:
            corrected(house, platform, day, VALUES[day])
            house.ingest(contract)
        states.append((latest(house, contract), house.bronze(platform.bronze)))
        house.check_ledger()
    assert all(state == states[0] for state in states[1:])
    final, history = states[0]
    assert len(final) == 3
    assert {row[-1].partition("!")[0] for row in final} == {platform.file.format(day="20261007")}
    assert sum(history.values()) == 9, "each correction is kept as history"


@every_format
def test_the_same_rows_in_another_file_are_known(house: House, platform: Platform) -> None:
    corrected(house, platform, 5, "1", count=3)
    corrected(house, platform, 6, "1", count=5)
    (done,) = house.ingest(contract_of(platform.bronze))
    assert (done.rows_read, done.rows_loaded, done.rows_duplicate) == (8, 5, 3)
    house.check_ledger()
