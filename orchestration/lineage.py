"""Which sources the published tables are made from, as dbt's graph tells.

Belongs here: reading sources and models off the parsed project. Does not: what follows from a source's legal terms
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


def steps(manifest: Mapping[str, Any]) -> dict[str, tuple[tuple[str, str], ...]]:
    """(layer, name) of each model between the sources and an open-data model, in the order they are built, by model."""
    found = {}
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "model" and OPENDATA in node["fqn"]:
            above = _models_above(manifest, unique_id)
            found[str(node["name"])] = tuple(_step(manifest["nodes"][model]) for model in above)
    return found


def _models_above(manifest: Mapping[str, Any], start: str) -> list[str]:
    """Models upstream of one, itself last; a common table stands for all that flows into it."""
    order: list[str] = []

    def visit(unique_id: str) -> None:
        node = manifest["nodes"].get(unique_id, {})
        if unique_id in order or node.get("resource_type") != "model":
            return
        if unique_id == start or not _is_common(node):
            for parent in sorted(manifest["parent_map"].get(unique_id, ())):
                visit(parent)
        order.append(unique_id)

    visit(start)
    return order


def _step(node: Mapping[str, Any]) -> tuple[str, str]:
    layer = next((part for part in ("staging", "conformed", "marts", "opendata") if part in node["fqn"]), "staging")
    return layer, str(node["name"])


def _is_common(node: Mapping[str, Any]) -> bool:
    return "staging" not in node.get("fqn", ()) and SOURCE_COLUMN in node.get("columns", {})
