"""The dbt project, parsed once for all installations that the tests make: each would take a dozen seconds over it.

Belongs here: making and handing out the parsed project. Does not: building anything with it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from filelock import FileLock

FILES = ("datanevers.sha256", "manifest.json", "partial_parse.msgpack")


class Parsed:
    """Where all workers of a session keep it; set once a session, by conftest.py."""

    folder: Path


def parsed_into(home: Path) -> None:
    """Give an installation the parsed project, unless it has one."""
    target = home / "dbt/target"
    if (target / FILES[0]).is_file():
        return
    with FileLock(Parsed.folder / "parsed.lock"), pytest.MonkeyPatch.context() as patch:
        from orchestration import pipeline

        patch.setenv("DATANEVERS_HOME", str(Parsed.folder / "parsed"))
        patch.setenv("DBT_LOG_PATH", str(Parsed.folder / "parsed/dbt/logs"))
        made = pipeline.manifest_path().parent
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(made / name, target / name)
