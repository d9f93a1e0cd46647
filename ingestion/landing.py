"""Files as received: finding them, opening them, and surveying their bytes once.

Belongs here: landing folders, archives, hashes, encodings. Does not: what the bytes mean (readers/).
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import re
import zipfile
import zlib
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.contract import SourceContract

CHUNK = 1 << 20
# Telemetry text compresses 5 to 30 times; two hundred times and a gigabyte is a bomb, not an export.
MAX_RATIO, MAX_UNPACKED = 200, 1 << 30
# What a damaged or truncated archive raises while it is read.
UNREADABLE = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError)
Stream = io.BufferedReader | gzip.GzipFile | zipfile.ZipExtFile
IGNORED_SUFFIXES = (".part", ".tmp", ".filepart", "~")


@dataclass(frozen=True)
class Container:
    """A file in the landing folder; `name` is relative to landing/<source>/."""

    path: Path
    name: str
    bytes: int
    modified_ns: int

    @property
    def modified_time(self) -> datetime:
        """When the file was last written, UTC."""
        return datetime.fromtimestamp(self.modified_ns / 1e9, tz=UTC)


@dataclass(frozen=True)
class SourceFile:
    """What the ledger counts as one file: a container, or a member of an archive (`archive.zip!member.csv`)."""

    container: Container
    member: str | None = None
    part: str | None = None  # sheet of a workbook, layer of a GeoPackage: a table of its own in the ledger

    @property
    def name(self) -> str:
        """Name in the ledger."""
        return "!".join(name for name in (self.container.name, self.member, self.part) if name)

    @property
    def base_name(self) -> str:
        """The last part of the name, which the contract's `files` pattern is about."""
        return Path(self.member or self.container.name).name

    @contextmanager
    def open_received(self) -> Iterator[Stream]:
        """The file's own bytes as received (a `.gz` stays compressed)."""
        if self.member is None:
            with self.container.path.open("rb") as stream:
                yield stream
        else:
            with zipfile.ZipFile(self.container.path) as archive, archive.open(self.member) as stream:
                yield cast("zipfile.ZipExtFile", stream)

    @contextmanager
    def open(self) -> Iterator[Stream]:
        """The file's content, unpacked."""
        with self.open_received() as received:
            if self.base_name.lower().endswith(".gz"):
                with gzip.GzipFile(fileobj=received) as stream:
                    yield stream
            else:
                yield received

    def file_time(self, contract: SourceContract) -> datetime:
        """The source's own time of the file: from its name where the contract says how, else when it was written."""
        stamp = self._stamp(contract)
        return (_parsed(stamp, contract) if stamp else None) or self.container.modified_time

    def matches(self, pattern: str) -> bool:
        """Whether the file's name matches a contract's pattern; one with a `!` is about container and member."""
        return self._match(pattern) is not None

    def _match(self, pattern: str) -> re.Match[str] | None:
        name = self.base_name
        if "!" in re.sub(r"\(\?<?!", "", pattern):  # a negative look-around is none
            name = f"{Path(self.container.name).name}!{self.member or ''}"
        return re.match(pattern, name)

    def groups(self, contract: SourceContract) -> dict[str, str]:
        """Named groups of the contract's pattern in the file's name."""
        match = self._match(contract.files)
        return {k: v for k, v in match.groupdict().items() if v is not None} if match else {}

    def belongs_to(self, contract: SourceContract) -> bool:
        """Whether this table of the source reads the file: its pattern matches, or none does and it is the first."""
        if self.matches(contract.files):
            return True
        first, *others = contract.siblings or (contract.files,)
        return contract.files == first and not any(self.matches(pattern) for pattern in others)

    def name_problem(self, contract: SourceContract) -> str | None:
        """Why the name is not one that the contract describes, or None."""
        if not self.matches(contract.files):
            return f"nom de fichier inattendu : la forme attendue est {contract.files}"
        stamp = self._stamp(contract)
        if stamp and _parsed(stamp, contract) is None:
            return f"nom de fichier inattendu : {stamp} n'est pas une date de forme {contract.file_time}"
        return None

    def _stamp(self, contract: SourceContract) -> str | None:
        return self.groups(contract).get("time") if contract.file_time else None


def _parsed(stamp: str, contract: SourceContract) -> datetime | None:
    try:
        return datetime.strptime(stamp, contract.file_time or "").replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True)
class Survey:
    """What one pass over a file's bytes tells. `problem` is set when it cannot be read to its end as declared."""

    sha256: str
    bytes: int
    problem: str | None = None


def discover(contract: SourceContract, landing: Path) -> list[Container]:
    """Finished files of a source, in name order; hidden and half-transferred ones are left alone."""
    folder = landing / contract.id
    found = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if path.is_file() and not hidden and not name.lower().endswith(IGNORED_SUFFIXES):
            stat = path.stat()
            found.append(Container(path, name, stat.st_size, stat.st_mtime_ns))
    return found


def members(container: Container, contract: SourceContract) -> tuple[list[SourceFile], str | None]:
    """The files of a container that a table reads, and why it cannot be opened (then it stands for itself).

    A member's name is only a label: nothing is ever extracted to a path. A zipped shapefile is one file.
    """
    whole = SourceFile(container)
    packed = container.name.lower().endswith(".zip") and contract.resolved(whole.matches).format.reader != "geo"
    files, problem = _unpacked(container) if packed else ([whole], None)
    mine = [file for file in files if file.belongs_to(contract)]
    return [replace(file, part=contract.resolved(file.matches).format.part) for file in mine], problem


def _unpacked(container: Container) -> tuple[list[SourceFile], str | None]:
    try:
        with zipfile.ZipFile(container.path) as archive:
            entries = sorted((e for e in archive.infolist() if not e.is_dir()), key=lambda e: e.filename)
            for entry in entries:  # a password, an unknown method or a lost local header shows here, not half-way
                archive.open(entry).close()
    except UNREADABLE as error:
        return [SourceFile(container)], f"archive zip illisible, protégée ou tronquée ({error}) : la redéposer complète"
    for entry in entries:
        if _is_bomb(entry.file_size, entry.compress_size):
            return [SourceFile(container)], f"{entry.filename} : taux de compression anormal, archive refusée"
    if not entries:
        return [SourceFile(container)], "archive zip vide"
    return [SourceFile(container, e.filename) for e in entries], None


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > MAX_UNPACKED and unpacked > MAX_RATIO * packed


class _Hashing:
    """Passes a stream through while hashing what goes by."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int = CHUNK) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        self.count += len(data)
        return data


def survey(file: SourceFile, encoding: str | None, unpack_to: Path | None = None) -> Survey:
    """Read a file once: hash it, check its encoding; optionally keep its unpacked content.

    Args:
        file: what to read.
        encoding: the contract's; a single-byte contract refuses bytes that are plainly UTF-8, and the reverse. None
            where the reader itself refuses bad bytes line by line.
        unpack_to: where to write the unpacked content, for engines that want a path.
    """
    problem: str | None = None
    scan = _Scan(encoding)
    with file.open_received() as received:
        hashing = _Hashing(received)
        packed = file.base_name.lower().endswith(".gz")
        stream: gzip.GzipFile | _Hashing = gzip.GzipFile(fileobj=hashing) if packed else hashing  # type: ignore[call-overload]
        with unpack_to.open("wb") if unpack_to else nullcontext() as sink:
            while problem is None:
                try:
                    chunk = stream.read(CHUNK)
                except UNREADABLE as error:
                    problem = f"fichier compressé tronqué ou abîmé ({error}) : le redéposer complet"
                    break
                if not chunk:
                    break
                scan.feed(chunk)
                if sink:  # outside the try: a full disk of ours is no fault of the file
                    sink.write(chunk)
                if _is_bomb(scan.size, hashing.count):
                    problem = "taux de compression anormal, fichier refusé"
        try:
            while hashing.read(CHUNK):  # the hash is of all bytes received, whatever follows the damage
                pass
        except UNREADABLE as error:
            problem = problem or f"fichier illisible ({error})"
    return Survey(hashing.digest.hexdigest(), hashing.count, problem or scan.problem())


def count_lines(file: SourceFile) -> int:
    """Lines that are not blank, as far as the file can be read: the size of a file that is held back."""
    if file.member is None and file.base_name.lower().endswith(".zip"):
        return 0  # an archive that could not be opened: its bytes are no lines
    count, rest = 0, b""
    try:
        with file.open() as stream:
            while chunk := stream.read1(CHUNK):  # one step at a time: what precedes the damage counts
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()[-CHUNK:]
                count += sum(1 for line in lines if line.strip())
    except UNREADABLE:
        pass
    return count + bool(rest.strip())


class _Scan:
    """Encoding verdict over chunks."""

    def __init__(self, encoding: str | None) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._newlines = 0
        self._ascii = True
        self._broken_line: int | None = None
        self.size = 0

    def feed(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._encoding is None or self._broken_line is not None:
            return
        if not (chunk.isascii() and not self._decoder.getstate()[0]):
            self._ascii = False
            self._decode(chunk)
        self._newlines += chunk.count(b"\n")

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            self._broken_line = self._newlines + error.object.count(b"\n", 0, error.start) + 1

    def problem(self) -> str | None:
        if self.size == 0:
            return "fichier vide"
        if self._broken_line is None:
            self._decode(b"", final=True)  # a character cut off by the end of the file
        if self._encoding == "utf-8" and self._broken_line is not None:
            return f"encodage : UTF-8 attendu, octets invalides ligne {self._broken_line} (fichier en cp1252 ?)"
        if self._encoding not in (None, "utf-8") and not self._ascii and self._broken_line is None:
            return f"encodage : {self._encoding} attendu, le fichier est en UTF-8"
        return None
