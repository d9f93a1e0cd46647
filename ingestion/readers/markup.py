"""XML documents to objects, one record at a time.

Belongs here: elements, attributes and texts as nested objects, what stands above a record (`up:`), defence against
documents made to harm. Does not: lists inside records (document.py), which field becomes which column (stream.py).

Names are local names: namespaces are ignored. An element is an object of its children by name, with its attributes as
`@name` and its own text as `#text`; one that has only text is that text, one that is empty is null; one that occurs
more than once is a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestion.landing import UNREADABLE
from ingestion.readers import FileNotes, Unusable
from ingestion.readers.document import BARE, CHUNK, MAX_DEPTH, MAX_RECORD, NAMES_SHOWN, TOO_DEEP, exploded, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.contract import SourceContract
    from ingestion.landing import SourceFile, Stream

__all__ = ["objects"]

Object = dict[str, Any]
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"  # attributes about the document, not in it


def objects(file: SourceFile, contract: SourceContract, notes: FileNotes) -> Iterator[tuple[int, Object]]:
    """(line, object) of every record; the notes say why when the document cannot be read to its end."""
    from lxml import etree

    try:
        with file.open() as stream:
            yield from exploded(_Records(contract).read(stream), contract, notes)
    except Unusable as reason:
        notes.hold(str(reason))
    except etree.XMLSyntaxError as error:
        line, column = error.position
        cause = str(error.msg).split(", line ", 1)[0].strip()[:150]
        notes.hold(f"XML invalide ou tronqué, ligne {line}, colonne {column} : {cause}")
    except UNREADABLE as error:
        notes.hold(f"fichier illisible ({error}) : le redéposer complet")


@dataclass
class _Level:
    """An open element on the way to the records."""

    ups: Object  # values asked for as `up:`, of its attributes and of what it holds beside the records
    given: int = 0  # records that had to do without those that follow


class _Records:
    """Follows the parser, keeps what stands above the record under way, and forgets the rest."""

    def __init__(self, contract: SourceContract) -> None:
        self._path = (contract.format.records or "").split("/")
        self._up = {tuple(path.split(".")): f"up:{path}" for path in wanted(contract, "up:")}
        self._looked_into = _looked_into(contract)
        self._at: list[str] = []  # names of the open elements
        self._levels: list[_Level] = []
        self._inside = 0  # open elements of the record under way, itself among them
        self._fed = self._mark = 0
        self._found = False

    def read(self, stream: Stream) -> Iterator[tuple[int, Object]]:
        from lxml import etree

        # libxml2's own limits stay on: 10 MB of text, 256 levels, entities that expand no more than five times
        parser = etree.XMLPullParser(
            events=("start", "end"), resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False
        )
        while chunk := stream.read(CHUNK):
            self._fed += len(chunk)
            parser.feed(chunk)
            yield from self._records(parser)
            if self._fed - self._mark > MAX_RECORD:
                raise Unusable(
                    f"un élément dépasse {MAX_RECORD >> 20} Mo (octet {self._mark} et suivants) : document refusé"
                )
        parser.close()
        yield from self._records(parser)
        if not self._found:
            raise Unusable(f"élément « {'/'.join(self._path[:-1] or self._path)} » absent du document")

    def _records(self, parser: Any) -> Iterator[tuple[int, Object]]:
        for event, element in parser.read_events():
            if event == "start":
                if self._inside:
                    self._inside += 1
                    if self._inside > MAX_DEPTH:
                        raise Unusable(TOO_DEEP)
                else:
                    self._open(element)
                continue
            if self._inside:
                self._inside -= 1
                if self._inside:
                    continue
                yield element.sourceline or 0, self._record(element)
            else:
                self._close(element)
            self._mark = self._fed
            self._at.pop()

    def _open(self, element: Any) -> None:
        if not self._at:
            _refuse_entities(element)
        self._at.append(_local(element.tag))
        level = len(self._at)
        if level > MAX_DEPTH:
            raise Unusable(TOO_DEEP)
        if self._at == self._path:
            self._inside = 1
        elif level < len(self._path) and self._at == self._path[:level]:
            attributes = {f"@{_local(name)}": text for name, text in element.attrib.items()}
            ups = {key: attributes[path[0]] for path, key in self._up.items() if path[0] in attributes}
            self._levels[level - 1 :] = [_Level(ups)]
            self._found |= level == len(self._path) - 1  # there, it may hold none

    def _record(self, element: Any) -> Object:
        self._found = True
        value = _value(element, self._looked_into)
        record = value if isinstance(value, dict) else {BARE: value}
        for level in self._levels:  # from the root inwards: the nearest has the last word
            record |= level.ups
            level.given += 1
        _forget(element)
        return record

    def _close(self, element: Any) -> None:
        """An element beside the way to the records: its text may be asked for; then it is forgotten."""
        common = next((i for i, (a, p) in enumerate(zip(self._at, self._path, strict=False)) if a != p), len(self._at))
        path = tuple(self._at[common:])
        if path in self._up and common:
            level, key = self._levels[common - 1], self._up[path]
            if level.given and key not in level.ups:
                name = ".".join(path)
                raise Unusable(f"« {name} » (ligne {element.sourceline}) suit les enregistrements qu'il concerne")
            level.ups.setdefault(key, _text(element))
        _forget(element)


def _looked_into(contract: SourceContract) -> frozenset[str]:
    """Names of elements of which the contract reads a part (`V.@unit`): such a one is an object even with text only."""
    paths = [*wanted(contract, ""), *(p.split(":", 1)[1] for p in wanted(contract, "") if p.startswith("up:"))]
    return frozenset(step.removesuffix("[]") for path in paths for step in path.split(".")[:-1])


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _text(element: Any) -> str | None:
    """Own text of an element, what stands between its children included."""
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    return text.strip() or None


def _value(element: Any, looked_into: frozenset[str]) -> Any:
    """An element as an object, a text or null."""
    found: Object = {f"@{_local(name)}": text for name, text in element.items() if not name.startswith(XSI)}
    own = [element.text]
    for child in element:
        own.append(child.tail)
        if child.tag.__class__ is not str:
            _refuse_entity(child)
        elif len(child) or child.keys():
            _add_object(found, _local(child.tag), _value(child, looked_into), looked_into)
        else:  # as most are
            text = child.text
            _add(found, _local(child.tag), (text.strip() or None) if text else None)
    text = "".join(part for part in own if part).strip() or None
    if not found:
        return text
    return found | ({BARE: text} if text is not None or len(element) == 0 else {})


def _add_object(found: Object, name: str, value: Any, looked_into: frozenset[str]) -> None:
    """Add an element with attributes or children; one of which only the text is read has its attributes beside it."""
    if isinstance(value, dict) and BARE in value and all(key[0] in "@#" for key in value) and name not in looked_into:
        for attribute, text in value.items():
            if attribute != BARE:
                _add(found, f"{name}.{attribute}", text)
        value = value[BARE]
    _add(found, name, value)


def _add(found: Object, name: str, value: Any) -> None:
    if name not in found:
        found[name] = value
    elif isinstance(found[name], list):
        found[name].append(value)
    else:
        found[name] = [found[name], value]


def _forget(element: Any) -> None:
    """Free an element and what stands before it beside it."""
    element.clear(keep_tail=True)
    parent = element.getparent()
    while parent is not None and parent[0] is not element:
        del parent[0]


def _refuse_entities(root: Any) -> None:
    declared = root.getroottree().docinfo.internalDTD
    names = [entity.name for entity in declared.iterentities()] if declared is not None else []
    if names:
        raise Unusable(
            f"le document déclare des entités ({', '.join(names[:NAMES_SHOWN])}) : refusé, le réexporter sans"
        )


def _refuse_entity(node: Any) -> None:
    from lxml import etree

    if node.tag is etree.Entity:
        raise Unusable(
            f"référence d'entité {node.text} (ligne {node.sourceline}) : refusée, la remplacer par son texte"
        )
