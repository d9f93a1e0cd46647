"""Contracts say where they are wrong; every contract of the repository is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.contract import CONTRACTS_DIR, ContractError, contract_sha256, load_contracts, read_contract

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
        read_contract(written(tmp_path, SOUND | change))


def test_what_is_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("id: [", encoding="utf-8")
    with pytest.raises(ContractError, match="not valid YAML"):
        read_contract(path)


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
            if suffix in ("kwh", "m3", "bar", "w", "dbm", "db", "hz", "min"):
                assert column.unit, f"{contract.id}.{column.name} has a unit in its name only"


def test_the_fingerprint_follows_the_contract(tmp_path: Path) -> None:
    (tmp_path / "water").mkdir()
    path = written(tmp_path / "water", SOUND)
    before = contract_sha256("water_meters", tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + "# reviewed\n", encoding="utf-8")
    contract_sha256.cache_clear()
    assert contract_sha256("water_meters", tmp_path) != before
    contract_sha256.cache_clear()
