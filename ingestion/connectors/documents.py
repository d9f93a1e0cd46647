"""The little that a connector must know of a JSON answer: where it goes on, how many records, up to which instant.

Belongs here: one pass over a finished page, in memory that does not grow with it. Does not: reading records (readers/).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.connectors.arrival import FetchError

_SCALARS = frozenset({"string", "number", "boolean", "null"})
_STARTS = _SCALARS | {"start_map", "start_array"}


@dataclass(frozen=True)
class Look:
    """What a page says."""

    continuation: str | None = None  # address or cursor of the next page
    records: int | None = None
    latest: datetime | None = None


def look(path: Path, *, continuation: str | None, records: str | None, instant: str | None) -> Look:
    """Read a page once.

    Args:
        path: the finished page.
        continuation: dotted path of the address or cursor of the next one.
        records: dotted path of the array of records, '' when the document is the array; None when not to be counted.
        instant: dotted path in a record of what to take the latest of.

    Raises:
        FetchError: when it is not JSON, has no such array, or an instant is none.
    """
    import ijson

    array = None if records is None else records
    item = "item" if not array else f"{array}.item"
    when = None if instant is None else f"{item}.{instant}"
    goes_on, count, latest, found = None, 0, None, False
    try:
        with path.open("rb") as stream:
            for prefix, event, value in ijson.parse(stream):
                if prefix == continuation and event in _SCALARS:
                    goes_on = None if value is None else str(value)
                elif event == "start_array" and prefix == array:
                    found = True
                elif prefix == item and event in _STARTS:
                    count += 1
                elif prefix == when and event in _SCALARS and value is not None:
                    latest = max(filter(None, (latest, _instant(value, str(instant)))))
    except ijson.JSONError as error:
        raise FetchError(f"réponse qui n'est pas du JSON ({error})") from None
    if array is not None and not found:
        raise FetchError(f"réponse sans tableau « {array or 'racine'} »")
    return Look(goes_on or None, count if array is not None else None, latest)


def _instant(value: Any, column: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise FetchError(f"« {column} » n'est pas un instant ISO 8601 : {str(value)[:40]!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
