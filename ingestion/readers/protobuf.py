"""GTFS-RT snapshots (a protobuf FeedMessage) to objects, one per entity.

Belongs here: the message and its names. Does not: lists inside entities (document.py), which field becomes which
column (stream.py).

Names are those of the specification; enumerations are their names, 64-bit integers text, as in protobuf's own JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingestion.landing import UNREADABLE
from ingestion.readers import FileNotes, Unusable
from ingestion.readers.document import exploded, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.contract import SourceContract
    from ingestion.landing import SourceFile

__all__ = ["objects"]

# A message is decoded whole, to about ten times its size. The largest networks of the country publish 5 MB.
MAX_MESSAGE = 16 << 20
# Numbers that the specification leaves to producers. Another one is an entity whose tag was damaged: it would be lost.
EXTENSIONS = (*range(1000, 2000), *range(9000, 10000))


def objects(file: SourceFile, contract: SourceContract, notes: FileNotes) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number of the entity, object) of every entity; the notes say why when the message cannot be decoded."""
    try:
        yield from exploded(_entities(file, contract), contract, notes)
    except Unusable as reason:
        notes.hold(str(reason))
    except UNREADABLE as error:
        notes.hold(f"fichier illisible ({error}) : le redéposer complet")


def _entities(file: SourceFile, contract: SourceContract) -> Iterator[tuple[int, dict[str, Any]]]:
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from google.protobuf.unknown_fields import UnknownFieldSet
    from google.transit.gtfs_realtime_pb2 import FeedMessage

    with file.open() as stream:
        content = stream.read(MAX_MESSAGE + 1)
    if len(content) > MAX_MESSAGE:
        raise Unusable(f"message de plus de {MAX_MESSAGE >> 20} Mo : ce n'est pas un instantané GTFS-RT")
    message = FeedMessage()
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise Unusable(f"message GTFS-RT illisible ou tronqué ({len(content)} octets) : {error}") from error
    if not message.IsInitialized():
        missing = ", ".join(message.FindInitializationErrors()[:5])
        raise Unusable(f"ce n'est pas un instantané GTFS-RT complet : {missing} absent")
    if unknown := [f.field_number for f in UnknownFieldSet(message) if f.field_number not in EXTENSIONS]:
        raise Unusable(f"champs {unknown[:5]} inconnus du format GTFS-RT : message abîmé ?")
    flat = {f"doc:{path}": _beside(message, path) for path in wanted(contract, "doc:")}
    for number, entity in enumerate(message.entity, start=1):
        yield number, MessageToDict(entity, preserving_proto_field_name=True) | flat


def _beside(message: Any, path: str) -> Any:
    """A value of the message outside its entities (`header.timestamp`)."""
    from google.protobuf.json_format import MessageToDict

    value: Any = {"header": MessageToDict(message.header, preserving_proto_field_name=True)}
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
