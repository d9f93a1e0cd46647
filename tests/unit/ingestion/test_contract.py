"""Contracts say where they are wrong; every contract of the repository is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.contract import (
    CONTRACTS_DIR,
    ContractError,
    SourceContract,
    contract_sha256,
    load_contracts,
    read_contracts,
)

SOUND: dict[str, Any] = yaml.safe_load((CONTRACTS_DIR / "water/water_meters.yml").read_text(encoding="utf-8"))


def written(folder: Path, contract: dict[str, Any]) -> Path:
    path = folder / "water_meters.yml"
    path.write_text(yaml.safe_dump(contract, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cadence": "sometimes"}, "cadence"),
        ({"colour": "blue"}, "colour"),
        ({"key": ["meter"]}, "names? columns that are not declared|not declared: \\['meter'\\]"),
        ({"event_time": None}, "event_time"),
        ({"event_time": {"column": "reading_time", "zone": "Europe/Nevers"}}, "unknown time zone 'Europe/Nevers'"),
        ({"event_time": {"column": "reading_time"}}, "needs a zone"),
        ({"columns": [*SOUND["columns"], SOUND["columns"][0]]}, "declared twice: \\['meter_id'\\]"),
        (
            {"columns": [c | {"format": None} for c in SOUND["columns"]]},
            "reading_time: type local_timestamp needs `format`",
        ),
        ({"id": "other"}, "id is 'other' but the file is named 'water_meters'"),
    ],
)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ContractError, match=f"(?s)water_meters.yml.*({says})"):
        read_contracts(written(tmp_path, SOUND | change))


def test_what_is_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("id: [", encoding="utf-8")
    with pytest.raises(ContractError, match="not valid YAML"):
        read_contracts(path)


def test_every_source_has_an_owner_units_and_a_trace() -> None:
    contracts = load_contracts()
    assert len({c.bronze for c in contracts}) == len(contracts) >= 7
    for contract in contracts:
        names = contract.bronze_schema.names
        trace = ["extra", "source_file", "source_sha256", "source_time", "delivered_time", "source_row"]
        assert names[-6:] == trace
        assert "@" in contract.owner_email
        assert all(c.description for c in contract.columns)
        for column in contract.columns:
            suffix = column.name.rsplit("_", 1)[-1]
            bound = column.name.endswith("_year_min")  # the earliest year, not minutes
            if suffix in ("kwh", "m3", "bar", "w", "dbm", "db", "hz", "min") and not bound:
                assert column.unit, f"{contract.id}.{column.name} has a unit in its name only"


def test_the_fingerprint_follows_the_contract(tmp_path: Path) -> None:
    (tmp_path / "water").mkdir()
    path = written(tmp_path / "water", SOUND)
    before = contract_sha256("water_meters", tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + "# reviewed\n", encoding="utf-8")
    contract_sha256.cache_clear()
    assert contract_sha256("water_meters", tmp_path) != before
    contract_sha256.cache_clear()


SHARED: dict[str, Any] = {
    **dict.fromkeys(("title", "description", "platform", "department", "supplier"), "x"),
    "id": "probe",
    "owner_email": "x@example.org",
    "integration": "keep",
    "retention_months": 12,
    "legal": {"basis": "x", "ownership": "x", "licence": "x"},
    "cadence": "daily",
    "criticality": "low",
    "format": {"reader": "csv"},
    "mode": "snapshot",
}
REGISTER = dict.fromkeys(("purpose", "subjects", "categories", "recipients", "safeguards"), "x")


def column(name: str, origin: Any = None, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "from": name if origin is None else origin, "type": kind, "description": "x", **more}


def tables(folder: Path, *declared: dict[str, Any], **shared: Any) -> tuple[SourceContract, ...]:
    """A source with these tables; each has a key column and whatever it says."""
    for number, one in enumerate(declared):
        one.setdefault("table", f"t{number}")
        one.setdefault("files", f"^t{number}")
        one.setdefault("key", ["ref"])
        one["columns"] = [column("ref"), *one.get("columns", [])]
    path = folder / "probe.yml"
    path.write_text(yaml.safe_dump({**SHARED, **shared, "tables": list(declared)}), encoding="utf-8")
    return read_contracts(path)


def only(folder: Path, *columns: dict[str, Any], **more: Any) -> SourceContract:
    (contract,) = tables(folder, {"columns": list(columns), **more.pop("table", {})}, **more)
    return contract


def test_a_source_of_several_tables_says_what_they_share_once(tmp_path: Path) -> None:
    one, two = tables(
        tmp_path,
        {"table": "stop", "files": "^stops"},
        {"table": "trip", "files": "^trips", "mode": "snapshot", "format": {"reader": "json", "records": "data"}},
        platform="Billettique",
    )
    assert (one.bronze, two.bronze) == ("probe__stop", "probe__trip")
    assert one.platform == two.platform == "Billettique"
    assert (one.readers, two.readers) == (("csv",), ("json",)), "a table's own word comes before the source's"
    assert one.siblings == two.siblings == ("^stops", "^trips")


def test_two_tables_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"probe\.yml: two tables have the same name"):
        tables(tmp_path, {"table": "stop"}, {"table": "stop"})


def test_an_error_names_the_table(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"probe\.yml: table trip: .*not declared: \['nobody'\]"):
        tables(tmp_path, {"table": "stop"}, {"table": "trip", "key": ["nobody"]})


@pytest.mark.parametrize(
    ("declared", "register", "drift", "says"),
    [
        ({"personal": "drop"}, None, "mask", r"\['name'\] are personal"),
        ({"personal": "drop"}, REGISTER, "keep", "must be mask or stop"),
        ({"personal": "drop"}, {"purpose": "x"}, "mask", "personal.subjects"),
        ({"personal": "hide"}, REGISTER, "mask", "personal"),
        ({"personal": "pseudonymise", "kind": "integer"}, REGISTER, "mask", "only a string can be pseudonymised"),
        ({"personal": "coarsen"}, REGISTER, "mask", "`coarsen` is hour"),
        ({"coarsen": "prefix:2"}, REGISTER, "mask", "only with it"),
        ({"personal": "drop", "coarsen": "prefix:2"}, REGISTER, "mask", "only with it"),
        ({"personal": "pseudonymise", "rotate": "week"}, REGISTER, "mask", "rotate"),
        *(
            ({"personal": "coarsen", **bad}, REGISTER, "mask", "`coarsen` is hour")
            for bad in (
                {"coarsen": 2},
                {"coarsen": "prefix:"},
                {"coarsen": "prefix:two"},
                {"coarsen": "day"},
                {"coarsen": "day", "kind": "number"},
                {"coarsen": "prefix:2", "kind": "integer"},
                {"coarsen": "week", "kind": "timestamp"},
                {"coarsen": "hour", "kind": "date", "format": "%Y"},
                {"coarsen": 1, "kind": "timestamp"},
            )
        ),
    ],
)
def test_personal_columns_need_a_register_entry_a_drift_rule_and_a_treatment_that_fits(
    tmp_path: Path, declared: dict[str, Any], register: dict[str, str] | None, drift: str, says: str
) -> None:
    with pytest.raises(ContractError, match=says):
        only(tmp_path, column("name", **declared), personal=register, drift=drift)


@pytest.mark.parametrize(
    ("kind", "coarsen"),
    [
        *(("timestamp", c) for c in ("hour", "day", "month", "year")),
        *(("date", c) for c in ("day", "month", "year")),
        ("number", 0),
        ("number", 2),
        ("string", "prefix:5"),
    ],
)
@pytest.mark.parametrize("drift", ["mask", "stop"])
def test_what_a_column_may_be_coarsened_to(tmp_path: Path, kind: str, coarsen: str | int, drift: str) -> None:
    form = {"format": "%Y"} if kind == "date" else {}
    declared = column("name", kind=kind, personal="coarsen", coarsen=coarsen, **form)
    assert only(tmp_path, declared, personal=REGISTER, drift=drift).personal_columns == ("name",)


TELEMETRY = {"thing": "ref", "time": "ref", "results": [{"column": "ref", "code": "c", "property": "p"}]}
CODECS = {"into": "ref", "payload": "ref", "port": "ref", "profile": "ref", "time": "ref", "files": {}}


@pytest.mark.parametrize(
    "more",
    [
        *({"telemetry": TELEMETRY | {part: "nobody"}} for part in ("thing", "time", "end_time")),
        {"telemetry": TELEMETRY | {"quality": {"column": "nobody", "good": ["ok"]}}},
        {"telemetry": TELEMETRY | {"results": [{"column": "nobody", "code": "c", "property": "p"}]}},
        {"telemetry": TELEMETRY | {"results": [{"column": "ref", "code_column": "nobody", "property": "p"}]}},
        {"telemetry": TELEMETRY | {"results": [{"code": "c", "unit_column": "nobody", "property": "p"}]}},
        *({"codecs": CODECS | {part: "nobody"}} for part in ("into", "payload", "port", "profile", "time")),
        {"variants": [{"name": "v", "files": "^v", "columns": {"nobody": "x"}}]},
        {"variants": [{"name": "v", "files": "^v", "values": {"nobody": {"a": "b"}}}]},
    ],
)
def test_parts_that_name_a_column_nobody_declared(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=r"not declared: \['nobody'\]"):
        only(tmp_path, table=more)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({"column": "ref", "property": "p"}, "one of code and code_column"),
        ({"column": "ref", "code": "c", "code_column": "ref", "property": "p"}, "one of code and code_column"),
    ],
)
def test_a_result_has_one_code(tmp_path: Path, result: dict[str, Any], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        only(tmp_path, table={"telemetry": TELEMETRY | {"results": [result]}})


@pytest.mark.parametrize(
    ("variant", "says"),
    [
        ({"name": "v"}, "one of has_field and files"),
        ({"name": "v", "has_field": "a", "files": "^v"}, "one of has_field and files"),
        ({"name": "v", "has_field": "a", "format": {"reader": "json"}}, "go with files"),
        ({"name": "v", "has_field": "a", "columns": {"ref": "x"}}, "go with files"),
        ({"name": "v", "has_field": "a", "values": {"ref": {}}}, "go with files"),
    ],
)
def test_a_variant_is_known_by_one_thing(tmp_path: Path, variant: dict[str, Any], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        only(tmp_path, table={"variants": [variant]})


@pytest.fixture
def producers(tmp_path: Path) -> SourceContract:
    """A list that two communes keep in their own ways, and the others after our model."""
    return only(
        tmp_path,
        column("place", "lieu"),
        column("kind", "genre", values={"banc": "bench"}),
        column("seen_time", {"b": ["vu", "date"]}, "timestamp", epoch={"b": "ms"}),
        column("height", "hauteur", optional=True),
        table={
            "variants": [
                {
                    "name": "a",
                    "files": "^a_",
                    "format": {"reader": "xlsx", "sheet": "Liste"},
                    "columns": {"ref": "N°", "kind": ["Type", "Nature"]},
                    "values": {"kind": {"BANC": "bench", "PMR": "disabled_parking"}},
                },
                {"name": "b", "files": "^b_"},
            ],
        },
    )


def test_a_producer_has_its_own_format_places_and_words(producers: SourceContract) -> None:
    theirs = producers.resolved(lambda pattern: pattern == "^a_")
    assert (theirs.format.reader, theirs.format.part) == ("xlsx", "Liste")
    assert {c.name: c.paths(None) for c in theirs.columns} == {
        "ref": ("N°",),
        "place": (),
        "kind": ("Type", "Nature"),
        "seen_time": (),
        "height": (),
    }
    assert {c.name for c in theirs.columns if c.optional} == {"place", "seen_time", "height"}, "what it never has"
    assert theirs.column("kind").values == {"BANC": "bench", "PMR": "disabled_parking"}
    assert theirs.bronze_schema == producers.bronze_schema


def test_a_producer_that_only_some_columns_speak_of(producers: SourceContract) -> None:
    theirs = producers.resolved(lambda pattern: pattern == "^b_")
    assert theirs.format == producers.format
    assert theirs.column("place").paths(None) == ("lieu",)
    assert theirs.column("seen_time").paths(None) == ("vu", "date")
    assert theirs.column("seen_time").epoch == "ms"
    assert theirs.column("kind").values == {"banc": "bench"}


def test_a_file_of_nobody_in_particular_follows_the_model(producers: SourceContract) -> None:
    plain = producers.resolved(lambda _: False)
    assert plain.variants == ()
    assert plain.columns == producers.columns
    assert producers.resolved(lambda _: False) is plain, "files of one dialect are read as one stream"
    assert producers.readers == ("csv", "xlsx")


def test_groups_of_a_producer_have_their_places_too(tmp_path: Path) -> None:
    """An XML dialect, known by the file's name, beside JSON ones that are known by a field."""
    fields = [
        {"name": "gateway", "from": {"xml": "Lrrid", "v3": "gatewayID"}, "type": "string"},
        {"name": "snr", "from": {"v3": "loRaSNR"}, "type": "number"},
    ]
    contract = only(
        tmp_path,
        column("gateways", {"xml": "Lrrs.Lrr", "v3": "rxInfo"}, "nested", fields=fields),
        table={"variants": [{"name": "xml", "files": "^x"}, {"name": "v3", "has_field": "devEUI"}]},
        format={"reader": "jsonl"},
    )
    theirs = contract.resolved(lambda _: True).column("gateways")
    assert [f.path(None) for f in theirs.fields] == ["Lrrid", None]
    ours = contract.resolved(lambda _: False)
    assert [v.name for v in ours.variants] == ["v3"]
    assert [f.path("v3") for f in ours.column("gateways").fields] == ["gatewayID", "loRaSNR"]


def test_a_copy_does_not_remember_what_it_was_copied_from(producers: SourceContract) -> None:
    assert producers.resolved(lambda _: False).drift == "keep"
    assert "ref" in producers.bronze_schema.names
    changed = producers.model_copy(update={"drift": "stop", "columns": producers.columns[1:]})
    assert changed.resolved(lambda _: False).drift == "stop"
    assert "ref" not in changed.bronze_schema.names


def test_dialects_of_json_are_known_by_a_field_and_stay(tmp_path: Path) -> None:
    contract = only(
        tmp_path,
        column("eui", {"v3": "devEUI", "v4": "deviceInfo.devEui"}),
        table={"variants": [{"name": "v3", "has_field": "devEUI"}, {"name": "v4", "has_field": "deviceInfo"}]},
        format={"reader": "jsonl"},
    )
    assert contract.resolved(lambda _: True) is contract
    assert contract.column("eui").paths("v4") == ("deviceInfo.devEui",)
    assert contract.column("eui").paths("v5") == ()


def test_every_source_that_holds_personal_data_says_why_and_masks() -> None:
    personal = [c for c in load_contracts() if c.personal_columns]
    assert {c.id for c in personal} >= {"wifi_sessions", "transit_validations", "events"}
    for contract in personal:
        assert contract.personal is not None, contract.id
        assert contract.drift in ("mask", "stop"), contract.id
        treated = {contract.column(name).personal for name in contract.key}
        assert "drop" not in treated, f"{contract.bronze}: a column that is always null cannot tell rows apart"


def test_a_result_has_a_unit_from_somewhere() -> None:
    """Of the column, of the result, of a column of the table, or of the codes that the table is said to hold."""
    observed = [(c, r) for c in load_contracts() if c.telemetry for r in c.telemetry.results]
    assert len(observed) > 30
    for contract, result in observed:
        assert contract.telemetry is not None
        described = [r.unit for r in contract.telemetry.results if r.column is None]
        own = contract.column(result.column).unit if result.column else None
        units = [result.unit, result.unit_column, own, *(described if result.code_column else [])]
        assert any(units), f"{contract.bronze}: {result.property}"


def test_tables_of_a_source_share_what_is_said_once() -> None:
    by_source: dict[str, list[SourceContract]] = {}
    for contract in load_contracts():
        by_source.setdefault(contract.id, []).append(contract)
    assert len(by_source) >= 35
    shared = (
        "title",
        "platform",
        "department",
        "supplier",
        "retention_months",
        "legal",
        "personal",
        "drift",
        "siblings",
    )
    for source, of in by_source.items():
        assert len({repr([getattr(c, name) for name in shared]) for c in of}) == 1, source
