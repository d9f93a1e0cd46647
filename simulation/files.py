"""Files whose bytes depend on their content alone.

Belongs here: archives without a clock or an owner in them. Does not: any platform's columns.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# The earliest date a zip entry can carry: an entry must have one, and now() would change the bytes.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]], *, delimiter: str = ",", end: str = "\n") -> str:
    """A CSV document, quoted only where it must be."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end)
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def write_zip(path: Path, member: str, data: bytes) -> None:
    """An archive of one member."""
    entry = zipfile.ZipInfo(member, date_time=_ZIP_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # else it tells Windows from Unix
    entry.external_attr = 0o644 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, data)


def write_gzip(path: Path, data: bytes) -> None:
    """A gzip file without name or time in its header."""
    path.write_bytes(gzip.compress(data, compresslevel=4, mtime=0))
