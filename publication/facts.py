"""What pages tell of the data itself: its picture and the communes it speaks of, looked up only when the data changed.

Belongs here: which facts, and keeping them from one publication to the next. Does not: how they are found
(drawing.py) or shown (templates/).

`.facts.json`, a file of the tree that is never served, has each dataset's facts under a digest of the Parquet files
and of the way they are looked at; the SVG beside the data files is kept with it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from publication import drawing, tree, vega
from publication.drawing import Subject
from publication.picture import Picture, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb

    from ingestion.territory import Territory
    from publication.drawing import Drawing
    from publication.state import Entry, PublishedFile, State
    from publication.vega import Contour

FACTS_FILE = ".facts.json"
_INSEE = r"([013-9]\d|2[AB1-9])\d{3}"


class Shown(BaseModel):
    """A picture as a page shows it; `path` is that of its SVG in the tree."""

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str
    bytes: int
    width: int
    height: int
    title: str
    sentence: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Facts(BaseModel):
    """What was found in a dataset's files, and the digest of what it was found in."""

    model_config = ConfigDict(frozen=True)

    key: str
    communes: tuple[str, ...] = ()  # INSEE codes, of the territory only
    picture: Shown | None = None


@dataclass(frozen=True)
class Found:
    """Facts by dataset, and the files of the tree that go with them."""

    facts: Mapping[str, Facts]
    files: Mapping[str, tree.NewFile]


def gather(
    con: duckdb.DuckDBPyConnection,
    territory: Territory,
    entries: Sequence[Entry],
    locate: Callable[[PublishedFile], Path],
    current: Path,
    before: State,
) -> Found:
    """Facts of every dataset: those of the tree before where nothing changed, the others looked up.

    Args:
        con: sees `silver.commune_contour` when there are contours; reads the published Parquet files.
        territory: names the communes.
        entries: the datasets.
        locate: where a data file is now.
        current: the tree before.
        before: its manifest.
    """
    kept = _kept(current, before)
    around = drawing.contours(con)
    ground = hashlib.sha256(repr(around).encode()).hexdigest()
    facts: dict[str, Facts] = {}
    files: dict[str, tree.NewFile] = {}
    for entry in entries:
        key = _key(entry, territory, ground)
        known = kept.get(entry.card.id)
        if known is not None and known.key == key and _is_there(known, current, before):
            found = known
            if known.picture is not None:
                files[known.picture.path] = tree.NewFile(None, known.picture.sha256, known.picture.bytes)
        else:
            drawn = _draw(con, entry, locate, around, territory)
            found = Facts(key=key, communes=_communes(con, entry, locate, territory), picture=_shown(entry, drawn))
            if drawn is not None and found.picture is not None:
                files[found.picture.path] = tree.from_bytes(drawn.svg)
        facts[entry.card.id] = found
    files[FACTS_FILE] = tree.from_bytes(_dump(facts))
    return Found(facts, files)


def _kept(current: Path, before: State) -> dict[str, Facts]:
    """The facts of the tree before; none when it has none, or not whole."""
    path = current / FACTS_FILE
    listed = before.files.get(FACTS_FILE)
    if listed is None or not path.is_file():
        return {}
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        return {}
    return {name: Facts.model_validate(value) for name, value in json.loads(content).items()}


def _dump(facts: Mapping[str, Facts]) -> bytes:
    document: dict[str, Any] = {name: found.model_dump(mode="json") for name, found in sorted(facts.items())}
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _is_there(known: Facts, current: Path, before: State) -> bool:
    return known.picture is None or tree.intact(current, known.picture.path, before.files)


def _key(entry: Entry, territory: Territory, ground: str) -> str:
    """Digest of all that decides what will be found."""
    picture = choose(entry.card, entry.standard)
    tables = [entry.standard.table(part.name).model_dump(mode="json") for part in entry.card.tables]
    recipe = [
        _code(),
        version("vl-convert-python"),
        ground,
        [file.sha256 for file in entry.published.files if file.format == "parquet"],
        picture.model_dump(mode="json") if picture else None,
        [part.model_dump(mode="json") for part in entry.card.tables],
        _commune_columns(entry),
        [(commune.insee, commune.name) for commune in territory.communes],
        hashlib.sha256(json.dumps(tables).encode()).hexdigest(),
    ]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()


@cache
def _code() -> str:
    """Digest of what draws: a picture drawn another way is drawn again, once."""
    return hashlib.sha256(b"".join(Path(str(m.__file__)).read_bytes() for m in (drawing, vega))).hexdigest()


def _draw(
    con: duckdb.DuckDBPyConnection,
    entry: Entry,
    locate: Callable[[PublishedFile], Path],
    around: Sequence[Contour],
    territory: Territory,
) -> Drawing | None:
    picture: Picture | None = choose(entry.card, entry.standard)
    if picture is None:
        return None
    parquet = _parquet(entry, picture.table)
    part = next(part for part in entry.card.tables if part.name == picture.table)
    code = _commune_columns(entry).get(picture.table)
    subject = Subject(picture, entry.standard.table(picture.table), part, locate(parquet), code)
    return drawing.draw(con, subject, around, territory)


def _shown(entry: Entry, drawn: Drawing | None) -> Shown | None:
    if drawn is None:
        return None
    new = tree.from_bytes(drawn.svg)
    return Shown(
        path=f"{entry.card.folder}/{entry.card.id}.svg",
        sha256=new.sha256,
        bytes=new.bytes,
        width=drawn.size[0],
        height=drawn.size[1],
        title=drawn.title,
        sentence=drawn.sentence,
        headers=drawn.headers,
        rows=drawn.rows,
    )


def _communes(
    con: duckdb.DuckDBPyConnection, entry: Entry, locate: Callable[[PublishedFile], Path], territory: Territory
) -> tuple[str, ...]:
    known = {commune.insee for commune in territory.communes}
    found: set[str] = set()
    for table, column in _commune_columns(entry).items():
        found.update(drawing.communes(con, locate(_parquet(entry, table)), column))
    return tuple(sorted(found & known))


def _parquet(entry: Entry, table: str) -> PublishedFile:
    return next(file for file in entry.published.files if file.table == table and file.format == "parquet")


def _commune_columns(entry: Entry) -> dict[str, str]:
    """Column of the INSEE code by table: the one the card's rules name, else one that takes nothing but such codes."""
    found = {}
    for part in entry.card.tables:
        codes = [f.name for f in entry.standard.table(part.name).fields if (f.pattern or "").strip("^$") == _INSEE]
        if codes:
            found[part.name] = codes[0]
    rules = entry.card.rules
    found |= {rule.table: rule.commune_code for rule in rules.perimeter if rule.commune_code is not None}
    return found | {rule.table: rule.commune_code for rule in rules.coverage}
