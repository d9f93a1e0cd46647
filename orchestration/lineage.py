"""Which sources the published tables are made from, as dbt's graph tells.

Belongs here: reading sources off the parsed project. Does not: what follows from a source's legal terms
(publication/gate.py), what a dataset's card names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OPENDATA = "opendata"
# A table that all sources flow into says of each row which one it comes from: being made from `thing` is not being made
# from every platform. Beyond such a table the graph tells nothing; the card does.
SOURCE_COLUMN = "source_id"


def read_manifest(path: Path) -> dict[str, Any]:
    """Dbt's parsed project."""
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def upstream(manifest: Mapping[str, Any], *, through_common: bool = False) -> dict[str, frozenset[str]]:
    """Ids of the sources above each open-data model, by model.

    Args:
        manifest: dbt's.
        through_common: also those that are above a table common to all sources.
    """
    found = {}
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "model" and OPENDATA in node["fqn"]:
            found[str(node["name"])] = frozenset(_sources(manifest, unique_id, through_common=through_common))
    return found


def _sources(manifest: Mapping[str, Any], start: str, *, through_common: bool) -> set[str]:
    seen, todo, sources = {start}, [start], set()
    while todo:
        for parent in manifest["parent_map"].get(todo.pop(), ()):
            if parent in seen:
                continue
            seen.add(parent)
            if parent in manifest["sources"]:
                # a bronze table is called <source>__<table>
                sources.add(manifest["sources"][parent]["name"].split("__")[0])
            elif through_common or not _is_common(manifest["nodes"].get(parent, {})):
                todo.append(parent)
    return sources


def _is_common(node: Mapping[str, Any]) -> bool:
    return "staging" not in node.get("fqn", ()) and SOURCE_COLUMN in node.get("columns", {})
