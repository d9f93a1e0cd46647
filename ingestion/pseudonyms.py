"""The key of pseudonyms: from the environment to the connection that needs it, and nowhere else.

Belongs here: reading the key, and handing it to DuckDB as the two pads of HMAC (RFC 2104). Does not: which columns are
pseudonymised, or the SQL that does it (typing.py).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from ingestion.contract import SourceContract

KEY_ENV = "DATANEVERS_PSEUDONYM_KEY"
MIN_LENGTH = 16  # characters; a shorter key could be found by trying
_BLOCK = 64  # bytes, of SHA-256


class KeyMissingError(Exception):
    """The environment has no usable key."""


def give_key(con: duckdb.DuckDBPyConnection, contract: SourceContract, landing: Path) -> None:
    """Set `inner_pad` and `outer_pad` on a connection that will load a source with pseudonyms.

    Without a key of the operator's own, only a simulated territory is loaded: it has its truth beside its files, and
    is nobody's data.

    Raises:
        KeyMissingError: when the variable is not set or too short; nothing is loaded without it.
    """
    if not any(c.personal == "pseudonymise" for c in contract.columns):
        return
    simulated = (landing / "_truth").is_dir()
    key = os.environ.get(KEY_ENV, "demonstration, not a secret" if simulated else "").encode()
    if len(key) < MIN_LENGTH:
        msg = (
            f"{contract.id} contient des données personnelles : la variable d'environnement {KEY_ENV} doit porter une "
            f"clé secrète d'au moins {MIN_LENGTH} caractères (par exemple : openssl rand -hex 32)"
        )
        raise KeyMissingError(msg)
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    for name, pad in (("inner_pad", 0x36), ("outer_pad", 0x5C)):
        con.execute(f"SET VARIABLE {name} = from_hex('{bytes(byte ^ pad for byte in block).hex()}')")
