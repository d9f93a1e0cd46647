"""JSON documents to objects, one at a time; and what all document readers share.

Belongs here: finding the records of a document, values that stand beside them (`doc:`) or above them (`up:`), lists
whose elements are the records (`explode`). Does not: which field becomes which column (stream.py), JSON lines
(jsonl.py).

Numbers keep their value: an integer as such, a decimal as float where that is exactly what stands there, as text
otherwise (twenty digits, 1e400).
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ingestion.landing import UNREADABLE
from ingestion.readers import FileNotes, Unusable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ingestion.contract import SourceContract
    from ingestion.landing import SourceFile, Stream

CHUNK = 1 << 16
# One record is in memory whole, as objects of ten times its size. The largest real ones (a cultural event with its
# timetable, a day's load curve of a meter) are under 200 kB.
MAX_RECORD = 8 << 20
MAX_DEPTH = 100  # real ones have ten; what nests deeper wants to exhaust a stack
INTEGERS = range(-(1 << 63), 1 << 64)  # what other readers of the same JSON hold as integers
EXACT_DIGITS = 15  # every decimal of so many digits is the shortest text of one float
BARE = "#text"  # name given to a record that is no object: a number in a list of numbers
PIECES = (CHUNK, 4096, 256, 16, 1)  # in which a malformed document is fed again
EXACT_WITHIN = 16 << 20  # bytes up to which the very place of a fault is looked for
BOM = b"\xef\xbb\xbf"
NAMES_SHOWN = 12
STARTS, ENDS = frozenset({"start_map", "start_array"}), frozenset({"end_map", "end_array"})
ELEMENT = "[]"  # in place of a name, for an element of a list
TOO_DEEP = f"plus de {MAX_DEPTH} niveaux imbriqués : document refusé"

Object = dict[str, Any]
Event = tuple[str, Any]


def wanted(contract: SourceContract, prefix: str) -> tuple[str, ...]:
    """Paths that the contract reads under a prefix (`doc:`, `up:`), in any dialect, without the prefix."""
    origins = [c.origin for c in contract.columns]
    places = [p for origin in origins for p in (origin.values() if isinstance(origin, dict) else (origin,))]
    paths = [p for place in places for p in ((place,) if isinstance(place, str) else place)]
    return tuple(dict.fromkeys(p.removeprefix(prefix) for p in paths if p.startswith(prefix)))


def objects(file: SourceFile, contract: SourceContract, notes: FileNotes) -> Iterator[tuple[int, Object]]:
    """(number of the record, object) of every record; the notes say why when the document cannot be read to its end.

    An object has, besides its own fields, those that the contract asks for as `doc:path` and `up:path`.
    """
    try:
        yield from exploded(_records(file, contract), contract, notes)
    except Unusable as reason:
        notes.hold(str(reason))
    except UNREADABLE as error:
        notes.hold(f"fichier illisible ({error}) : le redéposer complet")


def _records(file: SourceFile, contract: SourceContract) -> Iterator[tuple[int, Object]]:
    steps = tuple(s for s in (contract.format.records or "").split(".") if s)
    paths = wanted(contract, "doc:")
    beside: Object = {}
    if paths:
        with file.open() as stream:
            for _ in walk(stream, steps, paths, beside):
                if set(paths) <= set(beside):  # often they stand before the records
                    break
    flat = {f"doc:{path}": beside.get(path) for path in paths}
    with file.open() as stream:
        for number, value in enumerate(walk(stream, steps, (), {}), start=1):
            yield number, (value if isinstance(value, dict) else {BARE: value}) | flat


# Lists inside records -------------------------------------------------------------------------------------------------


def exploded(
    records: Iterable[tuple[int, Object]], contract: SourceContract, notes: FileNotes
) -> Iterator[tuple[int, Object]]:
    """The elements of the contract's `explode` list as records, at the place of the record that holds them.

    A field `up:path` is looked for in what encloses the element, from the nearest object outwards.
    """
    if contract.format.explode is None:
        yield from records
        return
    steps = contract.format.explode.split(".")
    asked = wanted(contract, "up:")
    lists = elements = 0
    for place, record in records:
        flat = {key: value for key, value in record.items() if key.startswith(("doc:", "up:"))}
        for element, enclosing in _unfolded(record, steps, ()):
            above = {f"up:{path}": found for path in asked if (found := _nearest(enclosing, path)) is not None}
            yield place, (element if isinstance(element, dict) else {BARE: element}) | flat | above
            elements += 1
        lists += 1
    if lists and not elements:
        notes.missing_columns.append(contract.format.explode)


def _unfolded(
    value: Any, steps: Sequence[str], enclosing: tuple[Object, ...]
) -> Iterator[tuple[Any, Sequence[Object]]]:
    if isinstance(value, list):
        for element in value:
            yield from _unfolded(element, steps, enclosing)
    elif not steps:
        if value is not None:
            yield value, enclosing
    elif isinstance(value, dict):
        yield from _unfolded(value.get(steps[0]), steps[1:], (*enclosing, value))


def _nearest(enclosing: Sequence[Object], path: str) -> Any:
    for outer in reversed(enclosing):
        value: Any = outer
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


# One document ---------------------------------------------------------------------------------------------------------


class _Fed:
    """A stream that counts what it gives, and gives up when one record takes too much."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.given = 0
        self.mark = 0  # what had been given when the record under way began

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if not self.given:
            data = data.removeprefix(BOM) or self._stream.read(size)
        self.given += len(data)
        if self.given - self.mark > MAX_RECORD:
            raise Unusable(
                f"un enregistrement dépasse {MAX_RECORD >> 20} Mo (octet {self.mark} et suivants) : document sans fin, "
                "ou liste des enregistrements ailleurs qu'attendue"
            )
        return data


def walk(stream: Stream, steps: Sequence[str], paths: Collection[str], beside: Object) -> Iterator[Any]:
    """Every element of the list at a path of a JSON document, in bounded memory.

    Args:
        stream: the document; read again from its start to say where it is malformed.
        steps: names on the way to the list; none for a document that is the list. An object in place of the list is
            a list of one.
        paths: dotted paths of scalars outside the list ...
        beside: ... which are put here as they come.

    Raises:
        Unusable: when it is no JSON to its end, is too deep or too large, or has no list at the path.
    """
    import ijson

    fed = _Fed(stream)
    try:
        yield from _elements(_events(fed), fed, steps, (paths, beside))
    except ijson.JSONError as error:
        stream.seek(0)
        raise Unusable(_malformed(stream, error)) from error
    except (ValueError, ArithmeticError) as error:  # more digits, or a larger exponent, than any number has
        raise Unusable(f"nombre démesuré ou texte illisible avant l'octet {fed.given}") from error


def _events(fed: _Fed) -> Iterator[Event]:
    """What the parser says of a stream. Its own generator loses an error that follows events of the same chunk."""
    import ijson
    from ijson.backends import yajl2_c

    events: list[Event] = ijson.sendable_list()
    parser = yajl2_c.basic_parse_coro(events)
    chunk = b" "
    while chunk:
        chunk = fed.read(CHUNK)
        try:
            with suppress(StopIteration):
                parser.send(chunk)  # an empty one ends the document
        except SystemError as error:  # an integer of more digits than Python reads, left half made among the events
            raise ValueError from error
        yield from events
        del events[:]


class _Position:
    """Where in a document the parser is, outside of records."""

    def __init__(self) -> None:
        self.top: dict[str, None] = {}  # names at the top of the document
        self._at: list[str] = []  # names of the containers under way
        self._in_map: list[bool] = []
        self._name = ""

    def of(self, event: str, value: Any) -> list[str] | None:
        """Names on the way to the value that an event begins; None for an event that begins none."""
        if event == "map_key":
            self._name = value
            return None
        if event in ENDS:
            self._in_map.pop()
            del self._at[-1:]
            return None
        here = [*self._at, self._name if self._in_map[-1] else ELEMENT] if self._in_map else []
        self.top |= dict.fromkeys(here[:1])
        return here

    def enter(self, event: str, here: list[str]) -> None:
        self._in_map.append(event == "start_map")
        self._at = here
        if len(here) > MAX_DEPTH:
            raise Unusable(TOO_DEEP)


def _elements(
    events: Iterator[Event], fed: _Fed, steps: Sequence[str], outside: tuple[Collection[str], Object]
) -> Iterator[Any]:
    target, found, position = list(steps), False, _Position()
    paths, beside = outside
    ways = [target, *(path.split(".") for path in paths)]
    for event, value in events:
        fed.mark = fed.given
        if (here := position.of(event, value)) is None:
            continue
        if here == target:
            found = True
            yield from _at_target(events, event, value, fed)
        elif event in STARTS:
            if any(way[: len(here)] == here for way in ways):
                position.enter(event, here)
            else:
                _skip(events, fed)
        elif (path := ".".join(here)) in paths:
            beside.setdefault(path, _number(value) if event == "number" else value)
    if not found:
        names = ", ".join(list(position.top)[:NAMES_SHOWN])
        raise Unusable(f"« {'.'.join(steps)} » absent du document ; trouvé : {names}")


def _skip(events: Iterator[Event], fed: _Fed) -> None:
    """Pass over the rest of an object or list of which nothing is asked."""
    depth = 1
    for event, _ in events:
        fed.mark = fed.given
        if event in STARTS:
            depth += 1
            if depth > MAX_DEPTH:
                raise Unusable(TOO_DEEP)
        elif event in ENDS:
            depth -= 1
            if not depth:
                return


def _at_target(events: Iterator[Event], event: str, value: Any, fed: _Fed) -> Iterator[Any]:
    if event == "start_array":
        yield from _list(events, fed)
    elif event != "null":
        yield _built(events, event, value)


def _list(events: Iterator[Event], fed: _Fed) -> Iterator[Any]:
    for event, value in events:
        if event == "end_array":
            return
        yield _built(events, event, value)
        fed.mark = fed.given


def _built(events: Iterator[Event], event: str, value: Any) -> Any:
    """The value that begins with an event; takes its other events."""
    if event not in STARTS:
        return _number(value) if event == "number" else value
    above: list[tuple[Any, str]] = []
    current: Any = {} if event == "start_map" else []
    key = ""
    for what, scalar in events:
        if what == "map_key":
            key = scalar
            continue
        if what in STARTS:
            above.append((current, key))
            if len(above) > MAX_DEPTH:
                raise Unusable(TOO_DEEP)
            current = {} if what == "start_map" else []
            continue
        done = _number(scalar) if what == "number" else scalar
        if what in ENDS:
            if not above:
                return current
            done = current
            current, key = above.pop()
        if current.__class__ is dict:
            current[key] = done
        else:
            current.append(done)
    return current  # not reached: the parser raises when the document ends inside a value


def _number(value: int | Decimal) -> int | float | str:
    if isinstance(value, int):
        return value if value in INTEGERS else str(value)
    near, text = float(value), str(value)
    if len(text) <= EXACT_DIGITS and "E" not in text:
        return near
    return near if abs(near) != float("inf") and Decimal(repr(near)) == value else text


# Where a document is malformed ----------------------------------------------------------------------------------------


def _malformed(stream: Stream, error: Exception) -> str:
    line, column, offset = _fault(stream)
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    cause = text.strip().split("\n", 1)[0][:100]
    return f"JSON invalide ou tronqué, ligne {line}, colonne {column} (octet {offset}) : {cause}"


def _fault(stream: Stream) -> tuple[int, int, int]:
    """Line, column and offset (from 1, 1 and 0) of the byte at which a document is no JSON any more.

    The parser does not say: the document is fed to it again, up to where it refuses in ever smaller pieces. Far into a
    large document the place is that of the first piece, 64 kB: five more passes are not worth the letter.
    """
    offset = 0
    for size in PIECES:
        stream.seek(0)
        offset = _accepted(_pieces(stream, offset, size))
        if offset > EXACT_WITHIN:
            break
    line, line_start, position = 1, 0, 0
    stream.seek(0)
    while part := stream.read(min(CHUNK, offset - position)):
        if b"\n" in part:
            line += part.count(b"\n")
            line_start = position + part.rindex(b"\n") + 1
        position += len(part)
    return line, offset - line_start + 1, offset


def _pieces(stream: Stream, good: int, size: int) -> Iterator[bytes]:
    """The first bytes, which are known to be accepted, and then pieces of some size."""
    first = stream.read(len(BOM))
    yield b" " * len(BOM) if first == BOM else first
    position = len(first)
    while piece := stream.read(min(CHUNK, good - position) if position < good else size):
        yield piece
        position += len(piece)


def _accepted(pieces: Iterable[bytes]) -> int:
    """Bytes, in whole pieces, that the parser takes before it refuses one."""
    import ijson
    from ijson.backends import yajl2_c

    events = ijson.sendable_list()
    parser = yajl2_c.basic_parse_coro(events)
    taken = 0
    for piece in pieces:
        try:
            parser.send(piece or b" ")
        except (ijson.JSONError, ValueError, ArithmeticError, SystemError):
            break
        del events[:]
        taken += len(piece)
    return taken
