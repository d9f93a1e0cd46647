"""dBASE tables, the attributes of shapefiles, as text.

Belongs here: the table's header, its encoding, its cells as they stand. Does not: geometries (layers.py).
"""

from __future__ import annotations

import codecs
import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from ingestion.readers import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIVE, DELETED = b" ", b"*"
BLOCK = 1 << 20
# Language drivers that geographic tools write; the rest is not guessed.
_DRIVERS = {0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x57: "cp1252", 0x58: "cp1252", 0x59: "cp1252"}
_AGAIN = "le redéposer complet"


class Table:
    """A dBASE file. `count` is of all records, deleted ones too: each has its shape."""

    def __init__(self, path: Path, declared: str | None, code_page: str | None) -> None:
        """Read the header.

        Args:
            path: the file.
            declared: encoding that the contract states; it is right whatever the file says.
            code_page: content of the .cpg file, if there is one.

        Raises:
            Unusable: when the file is cut or is no dBASE table, or its encoding is unknown.
        """
        self._path = path
        with path.open("rb") as stream:
            head = stream.read(32)
            if len(head) < 32:
                raise Unusable(f"table d'attributs (.dbf) vide ou tronquée : {_AGAIN}")
            self.count, self._start, self._width = struct.unpack("<IHH", head[4:12])
            fields = stream.read(max(self._start - 32, 0))
        self._encoding = _encoding(declared, code_page, head[29])
        self._fields = self._read_fields(fields)
        self.header = [name for name, *_ in self._fields]
        self._check()

    def _read_fields(self, raw: bytes) -> list[tuple[str, str, int, int]]:
        """(name, type, offset in the record, length) of each field."""
        fields, offset = [], 1
        for place in range(0, len(raw) - 31, 32):
            part = raw[place : place + 32]
            if part[0] == 0x0D:
                break
            kind, length = chr(part[11]), part[16]
            if kind == "C":
                length += part[17] << 8  # texts longer than 255, as some write them
            fields.append((self._decoded(part[:11].split(b"\x00", 1)[0]), kind, offset, length))
            offset += length
        return fields

    def _check(self) -> None:
        end = max((offset + length for *_, offset, length in self._fields), default=1)
        size = self._path.stat().st_size
        if not self._fields or end != self._width:
            raise Unusable("table d'attributs (.dbf) abîmée : la longueur des champs n'est pas celle de la ligne")
        if size < self._start + self.count * self._width:
            found = max(size - self._start, 0) // self._width
            raise Unusable(f"table d'attributs (.dbf) tronquée : {self.count} lignes annoncées, {found} là, {_AGAIN}")

    def records(self) -> Iterator[tuple[str | None, ...] | None]:
        """Cells of every record; None for a deleted one."""
        with self._path.open("rb") as stream:
            stream.seek(self._start)
            left = self.count
            step = max(BLOCK // self._width, 1)
            while left:
                block = stream.read(min(step, left) * self._width)
                for start in range(0, len(block), self._width):
                    yield self._record(block[start : start + self._width])
                    left -= 1

    def _record(self, raw: bytes) -> tuple[str | None, ...] | None:
        flag = raw[:1]
        if flag == DELETED:
            return None
        if flag != LIVE:
            raise Unusable(f"table d'attributs (.dbf) abîmée : une ligne commence par {flag!r}, {_AGAIN}")
        return tuple(self._cell(kind, raw[offset : offset + length]) for _, kind, offset, length in self._fields)

    def _cell(self, kind: str, raw: bytes) -> str | None:
        if kind in _BINARY:
            return _binary(kind, raw)
        text = self._decoded(raw).strip(" \x00")
        if kind == "D" and len(text) == 8:
            return None if text == "00000000" else f"{text[:4]}-{text[4:6]}-{text[6:]}"
        if kind == "L":
            return {"T": "true", "Y": "true", "F": "false", "N": "false", "?": None, "": None}.get(text.upper(), text)
        return text or None

    def _decoded(self, raw: bytes) -> str:
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise Unusable(
                f"encodage des attributs : {self._encoding} attendu, octets invalides ({raw[:40]!r}) ; joindre un .cpg "
                "juste, ou déclarer `encoding` dans le contrat"
            ) from error


_BINARY = {"I": "<i", "B": "<d", "O": "<d"}


def _binary(kind: str, raw: bytes) -> str | None:
    if len(raw) != struct.calcsize(_BINARY[kind]):
        return raw.hex()
    value = struct.unpack(_BINARY[kind], raw)[0]
    return str(value)


def _encoding(declared: str | None, code_page: str | None, driver: int) -> str:
    """The contract's, else the .cpg's, else the language driver's; UTF-8, strictly, when nobody says."""
    if declared is not None:
        return declared
    if code_page is None or not code_page.strip():
        return _DRIVERS.get(driver, "utf-8")
    name = re.sub(r"[^a-z0-9]", "", code_page.lower())
    if page := re.fullmatch(r"(?:ansi|cp|oem|windows)?([0-9]{3,4})", name):
        name = f"cp{page[1]}"
    elif part := re.fullmatch(r"(?:iso)?8859([0-9]{1,2})", name):
        name = f"iso8859-{part[1]}"
    if re.fullmatch(r"cp\d{3,5}|iso8859-\d{1,2}|utf8|latin1|latin9|ascii", name):  # Python has others, not of text
        with suppress(LookupError):
            return codecs.lookup(name).name
    raise Unusable(f"encodage « {code_page.strip()[:40]} » du .cpg inconnu : l'écrire UTF-8 ou 1252")
