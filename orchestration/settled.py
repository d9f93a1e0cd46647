"""Datasets of which an audit would say today what it said before: they need neither audit nor export.

Belongs here: when a verdict still holds, and reading it back from ops.audit. Does not: auditing (publication/gate.py).

A verdict holds while it is of the same day (time passes: what was fresh becomes stale), by the same code, on the same
versions of the dataset's tables, and its outcome was published. Only `passed` holds: what was warned about or refused
is looked at again, as it may be mended outside of these tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lake import candidate, engine, table
from lake.home import publication_dir
from publication import tree
from publication.state import State, load_state
from quality.audit import Check, Verdict

if TYPE_CHECKING:
    from publication.card import Card


def verdicts(
    cards: Iterable[Card], *, refused: Mapping[str, object], published_time: datetime, now: datetime | None = None
) -> dict[str, Verdict]:
    """Verdicts that still hold, by dataset.

    Args:
        cards: the datasets.
        refused: datasets whose new data a build refused: none of theirs holds.
        published_time: when the last publication by the same code completed.
        now: the instant (aware); the present by default.
    """
    if not table.exists("ops", "audit"):
        return {}
    with engine.connect(attach=False) as con:
        engine.attach_table(con, "ops", "audit")
        last = con.execute(
            "SELECT dataset, verdict, audited_time, delta_versions, table_rows, checks FROM ops.audit "
            "QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY audited_time DESC) = 1"
        ).fetchall()
    today, published = (now or datetime.now(UTC)).astimezone(UTC).date(), load_state(publication_dir())
    told = {
        row[0]: row[3:] for row in last if row[1] == "passed" and today == row[2].date() and row[2] < published_time
    }
    return {
        card.id: _revived(card.id, *told[card.id][1:])
        for card in cards
        if card.id in told and card.id not in refused and _same(card, json.loads(told[card.id][0]), published)
    }


def _same(card: Card, versions: Mapping[str, Any], published: State) -> bool:
    """Whether the dataset's tables are those of the verdict, nothing waits to replace them, and its files are there."""
    entry = published.datasets.get(card.id)
    return (
        entry is not None
        and versions == {part.model: table.version("gold", part.model) for part in card.tables}
        and all(candidate.find("gold", part.model) is None for part in card.tables)
        and all(tree.intact(publication_dir(), file.path, published.files) for file in entry.files)
    )


def _revived(dataset: str, rows: str, checks: str) -> Verdict:
    found = (Check(**(check | {"examples": tuple(check["examples"])})) for check in json.loads(checks))
    return Verdict(dataset, "passed", json.loads(rows), tuple(found))
