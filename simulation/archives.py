"""Archives of several members whose bytes depend on their content alone.

Belongs here: the zip container. Does not: what is in it, nor archives of one member (`files`).
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip entry can carry
_UNIX = 3


def write_archive(path: Path, members: Mapping[str, bytes]) -> None:
    """An archive with the members in the order given."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, date_time=_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
