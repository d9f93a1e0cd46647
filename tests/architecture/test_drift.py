"""What is said in two places is the same in both: cards, models, exposures, pins, locks, targets and what is read of them."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ingestion.contract import load_contracts
from publication.card import load_cards

ROOT = Path(__file__).resolve().parents[2]
DBT = ROOT / "dbt_project"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bootstrap.lock")
DOCUMENTS = sorted(p for p in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")) if p.is_file())


def yml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return content


@cache
def repository() -> tuple[Path, ...]:
    """Every file that belongs to the project: what git tracks, and what is new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode or not listed.stdout:
        pytest.skip("not a git checkout: there is no telling which files belong to it")
    return tuple(path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file())


def texts() -> dict[str, str]:
    """Content of every text file, by path."""
    found = {}
    for path in repository():
        content = path.read_bytes()
        if b"\0" not in content[:8000]:
            found[path.relative_to(ROOT).as_posix()] = content.decode("utf-8", errors="replace")
    return found


# models, cards, exposures


def test_every_open_data_model_is_published() -> None:
    models = {p.stem for p in (DBT / "models/opendata").glob("*.sql")}
    assert models == {table.model for card in load_cards() for table in card.tables}


def test_cards_name_sources_that_exist() -> None:
    known = {c.id for c in load_contracts()}
    assert {source for card in load_cards() for source in card.sources} <= known


def test_contracts_are_enforced_on_all_that_is_kept() -> None:
    folders = yml(DBT / "dbt_project.yml")["models"]["datanevers"]
    for folder in ("conformed", "marts", "opendata"):
        assert folders[folder]["+contract"] == {"enforced": True}
        assert folders[folder]["+materialized"] == "delta"
        models = list((DBT / "models" / folder).glob("*.sql"))
        assert models
        for path in models:
            assert "contract=" not in path.read_text("utf-8"), path
            declared = yml(path.with_suffix(".yml")).get("models", []) if path.with_suffix(".yml").is_file() else []
            assert all("contract" not in (model.get("config") or {}) for model in declared), path
            columns = [column for model in declared for column in model["columns"]]
            assert all(c.get("data_type") and c.get("description") for c in columns), path


def test_open_data_columns_are_said_once() -> None:
    """By the standard: what stands beside an open-data model are its unit tests."""
    for path in (DBT / "models/opendata").glob("[!_]*.yml"):
        assert set(yml(path)) == {"version", "unit_tests"}, path


# pins and locks


def locked(name: str) -> dict[str, str]:
    """Version by canonical name."""
    text = (ROOT / name).read_text("utf-8")
    return {
        canonicalize_name(n): v
        for n, v in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE)
    }


@pytest.mark.parametrize(
    ("group", "lock"),
    [
        ("dependencies", "requirements.lock"),
        ("dependencies", "requirements-dev.lock"),
        ("dev", "requirements-dev.lock"),
    ],
)
def test_locks_hold_every_pin(group: str, lock: str) -> None:
    project = PYPROJECT["project"]
    wanted = [Requirement(r) for r in project.get(group) or project["optional-dependencies"][group]]
    versions = locked(lock)
    assert len(wanted) > 10
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{lock} lacks {requirement}: make lock"
        assert requirement.specifier.contains(versions[name], prereleases=True), f"{lock}: {name} {versions[name]}"


def test_what_runs_is_what_was_tested() -> None:
    run, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: (v, dev.get(name)) for name, v in run.items() if dev.get(name) != v} == {}
    shared = {n: v for n, v in locked("requirements-bootstrap.lock").items() if n in run}
    assert all(run[n] == v for n, v in shared.items())


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_are_hashed_and_name_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    entries = re.findall(r"^\S+==\S+.*?(?=^\S+==|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(entries) == len(locked(lock)) > 1
    assert [e.splitlines()[0] for e in entries if "--hash=sha256:" not in e] == []
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_environment_is_the_lock() -> None:
    """Tests say something of what users install only if they run on it."""
    from importlib.metadata import distributions

    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}
    wrong = {n: (v, installed.get(n)) for n, v in locked("requirements.lock").items() if installed.get(n) != v}
    assert wrong == {}, "make setup"


# what people read


def targets() -> dict[str, str]:
    """Targets that `make help` lists, with what it says."""
    return dict(re.findall(r"^([a-z]+):.*?## (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_make_has_the_targets_that_others_call() -> None:
    assert set(targets()) >= {"run", "test", "check", "ui", "serve", "bench", "help"}
    phony = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert phony
    assert set(phony.group(1).split()) == set(targets())
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines() if line.startswith("  make ")} == set(targets())


def test_documents_are_there() -> None:
    assert ROOT / "README.md" in DOCUMENTS
    assert "make run" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_tell_commands_and_files_that_exist(path: Path) -> None:
    import typer

    from orchestration.cli import app

    text = path.read_text("utf-8")
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    assert set(re.findall(r"\bmake ([a-z]+)\b", code)) <= set(targets())
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"(?:^|[`/ ])datanevers ([a-z]+)\b", code, re.MULTILINE)) <= commands
    prose = re.sub(r"`[^`\n]+`", "", text)  # a regular expression in code looks like a link
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if not urlsplit(link).scheme:
            assert (path.parent / link).exists(), link


# what must not be in the repository


def test_no_file_names_a_place_of_one_machine() -> None:
    own = {str(ROOT), f"{Path.home()}/", f"{sys.base_prefix}/"} - {"/", "//", "/usr/"}
    found = [(path, place) for path, text in texts().items() for place in own if place in text]
    assert found == []


def index_hosts() -> set[str]:
    """Hosts that pip and uv are told to install from, here, by variables or settings."""
    urls = [v for k, v in os.environ.items() if re.fullmatch(r"(PIP|UV)_.*(INDEX|LINKS).*", k)]
    for path in (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
        settings = configparser.ConfigParser(strict=False, interpolation=None)
        if path.is_file():
            settings.read(path)
            urls += [v for section in settings.values() for k, v in section.items() if "index" in k or "links" in k]
    return {host for url in urls for part in url.split() if (host := urlsplit(part).hostname)}


def test_no_file_names_where_packages_come_from() -> None:
    hosts = index_hosts() | {"pypi" + ".org", "files.python" + "hosted.org"}
    found = [(path, host) for path, text in texts().items() for host in hosts if host in text]
    assert found == []


def test_nothing_that_is_made_is_kept() -> None:
    names = {p.relative_to(ROOT).as_posix() for p in repository()}
    made = r"(^|/)(var|target|logs|__pycache__|\.venv)/|\.(duckdb|parquet|pyc|log)$|(^|/)(uv\.lock|pylock\.toml|\.user\.yml)$"
    assert [name for name in names if re.search(made, name)] == []
    assert {n: p.stat().st_size for p in repository() if p.stat().st_size > 1_500_000 for n in [p.name]} == {}
