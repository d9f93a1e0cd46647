"""Data that a test of a model refused: which datasets it would have gone into, and what was wrong with it.

Belongs here: from dbt's test results to reasons by dataset, kept in ops.refusal until a build finds nothing to refuse.
Does not: running dbt (pipeline.py), what becomes of a dataset that is refused (publication/gate.py).

Refused data is no failure of the platform: the dataset keeps its last good version and its page says so, as when the
audit refuses it. A test that cannot run, or whose data goes into no dataset, is a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lake import engine, ops, table


@dataclass(frozen=True)
class Refusal:
    """A test that refused data: the datasets it would have gone into, and the reason, in French."""

    test: str
    datasets: tuple[str, ...]
    reason: str


def refused(
    results: Iterable[Any], child_map: Mapping[str, Sequence[str]], dataset_of: Mapping[str, str]
) -> list[Refusal]:
    """The tests that refused data on its way into a dataset.

    Args:
        results: dbt's results of a build.
        child_map: dbt's: by id of a node, the nodes that read it.
        dataset_of: dataset by the name of each open-data model.
    """
    found = []
    for result in results:
        if result.node.resource_type == "test" and str(result.status) == "fail":
            reached = _reached(result.node.depends_on.nodes, child_map)
            names = {dataset_of[i.rpartition(".")[2]] for i in reached if i.rpartition(".")[2] in dataset_of}
            if names:
                found.append(Refusal(result.node.name, tuple(sorted(names)), _reason(result)))
    return found


def _reached(start: Iterable[str], child_map: Mapping[str, Sequence[str]]) -> set[str]:
    """Models among `start`, and all models made from them."""
    todo, seen = [i for i in start if i.startswith("model.")], set[str]()
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += [i for i in child_map.get(node, ()) if i.startswith("model.")]
    return seen


def _reason(result: Any) -> str:
    node = result.node
    model = (node.attached_node or next(iter(node.depends_on.nodes), "")).rpartition(".")[2]
    rule = node.test_metadata.name if node.test_metadata else node.name
    given = node.test_metadata.kwargs if node.test_metadata else {}
    said = ", ".join(f"{key} {value}" for key, value in given.items() if key not in ("column_name", "model"))
    where = f"modèle {model}" + (f", colonne {node.column_name}" if node.column_name else "")
    return (
        f"Règle {rule}{f' ({said})' if said else ''} ({where}) : {result.failures} ligne(s) en écart. "
        "Corriger les données reçues ; la dernière bonne version reste publiée."
    )


def keep(refusals: Iterable[Refusal], run_id: str, looked_at: Iterable[str]) -> None:
    """Remember why datasets are refused, in place of what was said before of those that this build looked at."""
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {"dataset": dataset, "test": refusal.test, "reason": refusal.reason, "run_id": run_id, "refused_time": now}
        for refusal in refusals
        for dataset in refusal.datasets
    ]
    names = ", ".join(f"'{name}'" for name in sorted({*looked_at, *(row["dataset"] for row in rows)}))
    if names:
        ops.replace("refusal", rows, where=f"dataset IN ({names})")


def current() -> dict[str, list[str]]:
    """Reasons by dataset, of those that the last build refused."""
    if not table.exists("ops", "refusal"):
        return {}
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "ops", "refusal")
        rows = con.execute("SELECT dataset, reason FROM ops.refusal ORDER BY dataset, test").fetchall()
    found: dict[str, list[str]] = {}
    for dataset, reason in rows:
        found.setdefault(dataset, []).append(reason)
    return found
