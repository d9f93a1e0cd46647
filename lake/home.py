"""Paths of the installation: everything lives under `DATANEVERS_HOME`.

Belongs here: names of folders and table locations, read from the environment at call time. Does not: I/O on tables.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent

Layer = Literal["bronze", "silver", "gold", "ops"]
LAYERS: tuple[Layer, ...] = ("bronze", "silver", "gold", "ops")


def home() -> Path:
    """The folder that holds all state; `var/` in the checkout unless `DATANEVERS_HOME` says otherwise."""
    return Path(os.environ.get("DATANEVERS_HOME") or ROOT / "var").expanduser().resolve()


def landing_dir() -> Path:
    """Files as received, one sub-folder per source id."""
    return home() / "landing"


def data_docs_dir() -> Path:
    """Where the audits' pages are, for those who keep the data: never served."""
    return home() / "data-docs"


def publication_dir() -> Path:
    """The published tree."""
    return home() / "publication"


def dagster_dir() -> Path:
    """`DAGSTER_HOME` of the installation."""
    return home() / "dagster"


def dbt_dir() -> Path:
    """Dbt's target and log folder."""
    return home() / "dbt"


def tmp_dir() -> Path:
    """Scratch space; whatever is in it may be deleted when no run is active."""
    path = home() / "tmp"
    path.mkdir(parents=True, exist_ok=True)
    return path


def lake_uri() -> str:
    """Root of the lake: `$DATANEVERS_LAKE` (a folder or s3://bucket/prefix), else `<home>/lake`."""
    return (os.environ.get("DATANEVERS_LAKE") or str(home() / "lake")).rstrip("/")


def lake_is_remote() -> bool:
    """True when the lake is on an object store."""
    return "://" in lake_uri()


def table_uri(layer: str, table: str) -> str:
    """Location of one Delta table."""
    return f"{lake_uri()}/{layer}/{table}"


def storage_options() -> dict[str, str] | None:
    """Options for an object store, from the standard AWS_* variables; None for a local lake."""
    if not lake_is_remote():
        return None
    return {k: v for k, v in os.environ.items() if k.startswith("AWS_")}
