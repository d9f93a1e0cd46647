"""Credentials: read from the environment, and kept out of every text and file that a connector leaves.

Belongs here: the only place that reads a credential, and the functions that hide one. Does not: using one (each
connector).

`redact` is for texts that people read and hides all it can, addresses included; `mask` is for bytes received, where
only what is surely a credential is hidden and every offset stays; `seal` and `unseal` are for a text of ours that is
kept and read back.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from ingestion.connectors.declared import SECRET_PARAMETER

if TYPE_CHECKING:
    from ingestion.connectors.declared import Connector

HIDDEN = "***"
# A shorter password would turn up in data by chance: it is hidden in texts for people, but data is not touched for it.
MASKED_FROM = 8
LONG = 16  # a path segment of that length may be a token


class MissingVariableError(Exception):
    """An environment variable that a connector needs is not set; the message names it."""


def missing(connector: Connector) -> tuple[str, ...]:
    """Environment variables that the connector needs and that are not set."""
    return tuple(name for name in connector.variables if not os.environ.get(name))


def credential_parameters(address: str) -> dict[str, str]:
    """Query parameters of an address whose names say that they are credentials."""
    return {name: text for name, text in _query(address) if SECRET_PARAMETER.search(name)}


class Secrets:
    """The credentials of one connector."""

    def __init__(self, connector: Connector) -> None:
        """Read them.

        Raises:
            MissingVariableError: naming the variables that are not set.
        """
        if names := missing(connector):
            raise MissingVariableError(f"variable d'environnement absente : {', '.join(names)}")
        self._values = {name: os.environ[name] for name in connector.variables}
        paths = {getattr(connector, role, None) for role in ("ca_env", "key_env", "known_hosts_env")}
        told = [value for name, value in self._values.items() if name not in paths]
        credentials = _all_forms(secret for value in told for secret in _credentials(value))
        addresses = _all_forms(secret for value in told for secret in _address_parts(value))
        self._hidden = _longest_first(credentials | addresses)
        self._masked = [form.encode() for form in _longest_first(credentials) if len(form) >= MASKED_FROM]
        self._sealed = [form for form in self._hidden if len(form) >= MASKED_FROM]

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._values)})"

    def get(self, name: str) -> str:
        """The value of a variable."""
        return self._values[name]

    def redact(self, text: str) -> str:
        """The text without any credential."""
        for form in self._hidden:
            text = text.replace(form, HIDDEN)
        return text

    @property
    def longest(self) -> int:
        """Bytes of the longest credential that `mask` looks for, 0 when there is none."""
        return max(map(len, self._masked), default=0)

    def mask(self, data: bytes) -> bytes:
        """The bytes with each credential replaced by as many asterisks."""
        for form in self._masked:
            if form in data:
                data = data.replace(form, b"*" * len(form))
        return data

    def seal(self, text: str) -> str:
        """A text that can be kept: each credential in it replaced by its number."""
        for number, form in enumerate(self._sealed):
            text = text.replace(form, f"\x1a{number}\x1a")
        return text

    def unseal(self, text: str) -> str:
        """The text that was sealed."""
        for number, form in enumerate(self._sealed):
            text = text.replace(f"\x1a{number}\x1a", form)
        return text


def _credentials(value: str) -> Iterator[str]:
    """What is surely secret in the value of a variable: a password, a token."""
    scheme, colon, rest = value.partition("://")
    if not colon:
        yield from _pair(value)
        return
    # By hand, because an address whose password holds a `/` or a `#` is not valid, and must be hidden all the more.
    user = rest.rpartition("@")[0]
    if ":" in user or (user and scheme in {"http", "https"}):  # else a name without a password
        yield from _pair(user)
    yield from credential_parameters(value).values()


def _pair(text: str) -> Iterator[str]:
    """A `user:password`, or a token without a user, with its form in a header."""
    user, colon, password = text.partition(":")
    yield text
    yield base64.b64encode(text.encode()).decode()
    if colon:
        yield password
        yield base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def _address_parts(value: str) -> Iterator[str]:
    """What else an address tells: all of it, its path and what it asks for."""
    if "://" in value:
        yield value
        yield from (text for _, text in _query(value) if len(text) >= MASKED_FROM)
        yield from (part for part in value.partition("://")[2].partition("?")[0].split("/")[1:] if len(part) >= LONG)


def _query(value: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(value).query)
    except ValueError:
        return []


def _all_forms(secrets: Iterable[str]) -> set[str]:
    """The ways a client, a server or a formatter may write a secret."""
    forms = {form for secret in secrets for form in (secret, unquote(secret))}
    for written in (_encoded, _escaped, _slashed):
        forms |= {form for text in forms for form in written(text)}
    return forms - {""}


def _encoded(text: str) -> tuple[str, ...]:
    return quote(text), quote(text, safe=""), quote_plus(text)


def _escaped(text: str) -> tuple[str, ...]:
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]


def _slashed(text: str) -> tuple[str, ...]:
    return (text.replace("/", "\\/"),)


def _longest_first(forms: set[str]) -> list[str]:
    return sorted(forms, key=lambda form: (-len(form), form))
