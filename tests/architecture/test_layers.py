"""What import-linter cannot say: third-party libraries that only one place may know."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ingestion", "lake", "quality", "publication", "simulation", "orchestration")


def imports(path: Path) -> set[str]:
    """Top-level names of every module that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def importers(library: str) -> set[str]:
    files = [p for package in PACKAGES for p in (ROOT / package).rglob("*.py")]
    assert len(files) > 30
    return {p.relative_to(ROOT).as_posix() for p in files if any(i.split(".")[0] == library for i in imports(p))}


def test_one_module_writes_delta_tables() -> None:
    assert importers("deltalake") == {"lake/table.py"}


@pytest.mark.parametrize("library", ["dagster", "dagster_dbt"])
def test_only_orchestration_knows_the_orchestrator(library: str) -> None:
    assert {p.split("/")[0] for p in importers(library)} <= {"orchestration"}


def test_ingestion_knows_neither_dbt_nor_the_gate() -> None:
    for library in ("dbt", "great_expectations", "dagster", "pyoxigraph"):
        assert not [p for p in importers(library) if p.startswith("ingestion/")]


def test_the_simulation_knows_of_ingestion_only_the_territory() -> None:
    """It must not share code with what it is tested against; where DuckDB's extensions lie on disk is no such code."""
    for path in (ROOT / "simulation").rglob("*.py"):
        known = {i for i in imports(path) if i.split(".")[0] in {"ingestion", "lake", "quality", "publication"}}
        assert all(i.startswith(("ingestion.territory", "lake.engine")) for i in known), path.name


def test_heavy_libraries_are_not_imported_by_importing_ours() -> None:
    heavy = "{'pandas', 'great_expectations', 'dagster', 'dbt', 'pyoxigraph', 'deltalake', 'duckdb', 'pyarrow'}"
    program = f"import ingestion.load, lake.ops, lake.engine, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_source_is_declared_once_and_has_a_home() -> None:
    """A contract sits in the folder of its domain, under its id, and nothing else of it is code."""
    names = {p.stem for p in (ROOT / "ingestion/contracts").glob("*/*.yml")}
    code = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "ingestion").rglob("*.py"))
    assert len(names) >= 7
    assert not [name for name in names if f'"{name}"' in code]
