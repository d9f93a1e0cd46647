"""What a build must look at: bronze tables that changed since they were consumed, and models that did not come through.

Belongs here: ops.build_input, ops.unfinished, and the dbt selection that follows from them. Does not: running dbt
(pipeline.py), or which days of a table are at stake (dbt_project/macros/days.sql).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from ingestion.territory import load_territory
from lake import candidate, engine, ops, table
from lake.home import dbt_dir

CORRECTIONS = "corrections__correction"
Nodes = dict[str, dict[str, Any]]  # dbt's models, seeds, tests and sources, by id


def can_resume() -> bool:
    """Whether dbt still has what earlier builds left beside the lake: its database of views and seeds, its manifest."""
    return (dbt_dir() / "dbt.duckdb").is_file() and (dbt_dir() / "target" / "manifest.json").is_file()


def changed(versions: Mapping[str, int], day: date | None = None) -> set[str]:
    """Bronze tables that are not at the version that was last consumed, or say something else on this business day."""
    consumed = dict(_rows("build_input", "bronze_table, delta_version"))
    found = {name for name, version in versions.items() if consumed.get(name) != version}
    return found | {CORRECTIONS} if lapsed(day) else found


def lapsed(day: date | None = None) -> bool:
    """Whether the last day of a correction has passed since a build last consumed the corrections.

    It is the one thing that changes with the clock alone. `day` is a business day, today when None.
    """
    zone = load_territory().zone
    built = {name: when for name, when in _rows("build_input", "bronze_table, built_time") if name == CORRECTIONS}
    if not built or not table.exists("bronze", CORRECTIONS):
        return False
    since, now = built[CORRECTIONS].astimezone(zone).date(), day or datetime.now(zone).date()
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "bronze", CORRECTIONS)
        ended = f"until_date >= DATE '{since}' AND until_date < DATE '{now}'"
        return bool(con.execute(f"SELECT 1 FROM bronze.{CORRECTIONS} WHERE {ended} LIMIT 1").fetchall())


def consume(versions: Mapping[str, int], *, kept: Collection[str], run_id: str) -> None:
    """Remember the versions that a build read, except of the bronze tables that are `kept` for the next one."""
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {"bronze_table": name, "delta_version": versions[name], "run_id": run_id, "built_time": now}
        for name in sorted(changed(versions) - set(kept))
    ]
    ops.put("build_input", rows, key=("bronze_table",))


def selection(nodes: Nodes, changed_tables: Collection[str]) -> list[str]:
    """What is at stake, as dbt selectors; none when nothing is.

    That is all that is made from changed bronze tables, what the last build did not finish, and tables that are not
    there. Sources outside bronze have no version that we know of: they go with every build.
    """
    sources = [n for n in nodes.values() if n["resource_type"] == "source"]
    names = {n["name"] for n in nodes.values()}
    left = (unfinished() | _missing(nodes) | _lost(nodes)) & names
    chosen = [f"source:bronze.{n['name']}+" for n in sources if n["schema"] == "bronze" and n["name"] in changed_tables]
    chosen += [f"{name}+" for name in sorted(left)]
    if chosen:
        chosen += [f"source:{n['source_name']}.{n['name']}+" for n in sources if n["schema"] != "bronze"]
    return chosen


def unfinished() -> set[str]:
    """Names of the models that the last build did not bring through."""
    return {name for (name,) in _rows("unfinished", "model")}


def finish(models: Iterable[str], run_id: str) -> None:
    """Remember the names of the models that a build did not bring through, in place of those before."""
    before, now = unfinished(), set(models)
    if before != now:
        when = datetime.now(UTC)
        rows: list[dict[str, Any]] = [{"model": name, "run_id": run_id, "failed_time": when} for name in sorted(now)]
        listed = ", ".join(f"'{name}'" for name in sorted(before | now))
        ops.replace("unfinished", rows, where=f"model IN ({listed})")


def sources_of(ids: Iterable[str], nodes: Nodes) -> set[str]:
    """Bronze tables that some nodes are made from."""
    todo, seen = list(ids), set[str]()
    while todo:
        node = todo.pop()
        if node in nodes and node not in seen:
            seen.add(node)
            todo += nodes[node].get("depends_on", {}).get("nodes", [])
    return {nodes[i]["name"] for i in seen if nodes[i]["resource_type"] == "source" and nodes[i]["schema"] == "bronze"}


def made_in_parts(ids: Iterable[str], nodes: Nodes) -> set[str]:
    """Those of some nodes that replace a part of a table that is there: what they missed, they must be told again."""
    return {
        i
        for i in ids
        if i in nodes
        and nodes[i]["config"].get("delta_strategy", "overwrite") != "overwrite"
        and table.exists(nodes[i]["schema"], nodes[i]["alias"])
    }


def _rows(name: str, columns: str, which: str = "") -> list[tuple[Any, ...]]:
    if not table.exists("ops", name):
        return []
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "ops", name)
        return con.execute(f"SELECT {columns} FROM ops.{name} {which}").fetchall()


def _tables(nodes: Nodes) -> list[dict[str, Any]]:
    return [n for n in nodes.values() if n["config"].get("materialized") == "delta"]


def _missing(nodes: Nodes) -> set[str]:
    """Models with neither a table nor a candidate that waits for its audit."""
    return {
        n["name"]
        for n in _tables(nodes)
        if not table.exists(n["schema"], n["alias"]) and candidate.find(n["schema"], n["alias"]) is None
    }


def _lost(nodes: Nodes) -> set[str]:
    """Open-data models whose last audit failed and whose candidate is gone: what it failed on must not pass unseen."""
    from publication.card import load_cards

    last = dict(
        _rows("audit", "dataset, verdict", "QUALIFY max(audited_time) OVER (PARTITION BY dataset) = audited_time")
    )
    failed = {dataset for dataset, verdict in last.items() if verdict == "failed"}
    models = {part.model for card in load_cards() if card.id in failed for part in card.tables}
    there = {n["name"] for n in _tables(nodes) if candidate.find(n["schema"], n["alias"]) is not None}
    return models - there
