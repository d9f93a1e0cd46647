"""What the tests of readers share: a contract in one call, a file of some bytes, and everything a reader says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ingestion.contract import SourceContract
from ingestion.landing import Container, SourceFile
from ingestion.readers import FileNotes

REAL = Path(__file__).resolve().parents[4] / "shared/real"


@dataclass
class Said:
    """What a reader gave for one file: records, and what it noticed."""

    records: list[dict[str, Any]]
    notes: FileNotes
    file: SourceFile
    places: list[int] = field(default_factory=list)

    def columns(self, *names: str) -> list[tuple[Any, ...]]:
        return [tuple(record[name] for name in names) for record in self.records]

    @property
    def held(self) -> str:
        """Why the file is held; a test that asks expects that it is."""
        assert self.notes.held is not None, "the file is not held"
        return self.notes.held


class Probe:
    """Reads small files through the modules of `ingestion.readers`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def contract(self, columns: dict[str, Any], /, **fmt: Any) -> SourceContract:
        """A contract of text columns: name to place, or to the column's own declaration. The first one is the key."""
        declared = [
            {"name": name, "type": "string", "description": "", **(c if isinstance(c, dict) else {"from": c})}
            for name, c in columns.items()
        ]
        words = ("title", "description", "platform", "department", "supplier", "owner_email")
        variants = fmt.pop("variants", [])
        return SourceContract.model_validate(
            {
                "id": "probe",
                "table": "row",
                **dict.fromkeys(words, "x"),
                "legal": {"basis": "x", "ownership": "x", "licence": "x"},
                "integration": "keep",
                "retention_months": 12,
                "cadence": "daily",
                "criticality": "low",
                "files": r"^(?P<stem>[^.]+)\.(?P<suffix>.+)$",
                "format": fmt,
                "variants": variants,
                "mode": "snapshot",
                "key": [next(iter(columns))],
                "columns": declared,
            }
        )

    def file(self, name: str, content: bytes | str) -> SourceFile:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.at(path)

    @staticmethod
    def at(path: Path) -> SourceFile:
        return SourceFile(Container(path, path.name, path.stat().st_size, 0))

    def table(self, module: str, file: SourceFile, contract: SourceContract) -> Said:
        """All records of a table reader, and checks of what every reader owes: order, numbers, schema."""
        notes = FileNotes()
        reader = import_module(f"ingestion.readers.{module}")
        records = [r for batch in reader.read([(7, file)], contract, {7: notes}) for r in batch.to_pylist()]
        numbers = [r["source_row"] for r in records]
        assert numbers == sorted(set(numbers)), "records are not in order"
        assert {r["file_no"] for r in records} <= {7}
        return Said(records, notes, file)

    def objects(self, module: str, file: SourceFile, contract: SourceContract) -> Said:
        notes = FileNotes()
        found = list(import_module(f"ingestion.readers.{module}").objects(file, contract, notes))
        return Said([value for _, value in found], notes, file, [place for place, _ in found])


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """One for all tests: hypothesis runs many examples in one test."""
    return Probe(tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real files beside the checkout."""
    if not REAL.is_dir():
        pytest.skip("the real files are not beside this checkout")
    return REAL


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Scratch files of readers go to a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATANEVERS_HOME", str(tmp_path_factory.mktemp("home")))
        yield
