"""The `connector:` block of a contract: how a platform is asked for its data.

Belongs here: the declared models, one per kind, and the environment variables each needs. Does not: any fetching, nor
any import of a client library, because every contract load passes here.

No `connector:` block means file drop: the supplier, or a person, puts files in `landing/<source>/`.
Credentials are never declared, only the names of the environment variables that hold them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

EnvName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
# Becomes the start of file names: `!` and `/` have a meaning there.
FileStem = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Positive = Annotated[int, Field(gt=0)]

SECRET_PARAMETER = re.compile(r"(?i)(^|[_-])(token|api_?key|key|password|passwd|pwd|secret|signature|sig|appid)$")


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _no_credentials(url: str) -> str:
    """Refuse an address that holds a password or a token: it would be in every clone of this repository."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an http:// or https:// address is needed")
    if parts.username or parts.password:
        raise ValueError("the address holds credentials: put it in an environment variable and name it in url_env")
    _no_secret_parameters(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return url


def _no_secret_parameters(names: Any) -> None:
    if secret := [name for name in names if SECRET_PARAMETER.search(name)]:
        msg = f"{secret} look like credentials: put the value in an environment variable and name it in auth_env"
        raise ValueError(msg)


class Pages(_Declared):
    """How an answer in several pages goes on. One of three ways.

    `{next: 'links.next'}`: dotted path of the address of the next page (absolute, relative, or null at the end).
    `{cursor: 'meta.cursor', parameter: 'after'}`: dotted path of a value to send as that query parameter.
    `{parameter: 'page', records: 'data'}`: numbered pages, until one has no record (or fewer than `size`).
    """

    next: str | None = None
    cursor: str | None = None
    parameter: str | None = None  # query parameter that takes the cursor or the page number
    records: str | None = None  # dotted path of the array of records, '' when the document is the array
    first: int = 1  # number of the first page
    size: Positive | None = None  # records asked for in a page; a shorter page is the last
    size_parameter: str | None = None
    limit: Positive = 10_000  # more pages than this in one collection is an error of the server

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.next is not None) + (self.cursor is not None) + (self.records is not None) != 1:
            raise ValueError("pages needs one of `next`, `cursor` (with `parameter`) or `records` (with `parameter`)")
        if (self.next is None) == (self.parameter is None):
            raise ValueError("pages: `parameter` goes with `cursor` and with `records`, and only with them")
        if self.size_parameter is not None and self.size is None:
            raise ValueError("pages: `size_parameter` needs `size`")
        return self


class Since(_Declared):
    """A watermark on time for servers that can be asked for what is new.

    The parameter (`date_debut_obs`) is sent with the latest instant received so far (largest value of the field
    `column` in the records at `records`) less `overlap_min`, or less `first_days` from now the first time.
    """

    parameter: str
    column: str  # dotted path of the instant in a record (ISO 8601; without an offset it is UTC)
    records: str  # dotted path of the array of records, '' when the document is the array
    overlap_min: Annotated[int, Field(ge=0)] = 60
    first_days: Positive = 30
    format: str = "%Y-%m-%dT%H:%M:%SZ"  # strftime form of what is sent, in UTC


class Resource(_Declared):
    """One thing to ask for: it lands as `<name>_<YYYYmmddTHHMMSSZ>_p0001.<extension>`, p0002 ... for later pages."""

    url: str | None = None
    url_env: EnvName | None = None  # when the address itself is secret, or differs between installations
    name: FileStem | None = None  # None: the source's id
    extension: Annotated[str, Field(pattern=r"^[a-z0-9]+(\.[a-z0-9]+)?$")] = "json"
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    pages: Pages | None = None
    since: Since | None = None

    @field_validator("url")
    @classmethod
    def _public(cls, url: str | None) -> str | None:
        return None if url is None else _no_credentials(url)

    @field_validator("headers")
    @classmethod
    def _no_auth_header(cls, headers: dict[str, str]) -> dict[str, str]:
        if {"authorization", "cookie", "proxy-authorization"} & {name.lower() for name in headers}:
            raise ValueError("credentials are not declared: name the environment variable in auth_env")
        _no_secret_parameters(headers)
        return headers

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("one of `url` and `url_env` is needed")
        _no_secret_parameters(self.params)
        if (self.pages or self.since) and self.extension != "json":
            raise ValueError("pages and since look into JSON answers: extension must be json")
        return self


class Http(_Declared):
    """Files of an HTTP server, or pages of an API.

    One thing to ask for is written flat (`url`, `params`, `pages` ... of `Resource`); several (a GBFS feed and its
    parts) under `resources:`, each with its own `name`.
    """

    kind: Literal["http"]
    resources: Annotated[tuple[Resource, ...], Field(min_length=1)]
    auth_env: EnvName | None = None
    auth: Literal["bearer", "basic", "header", "query"] = "bearer"  # basic: the variable holds `user:password`
    auth_name: str | None = None  # name of the header, or of the query parameter
    ca_env: EnvName | None = None  # path of a certificate authority file, for a server of one's own
    every_min: Positive = 60  # not asked again sooner
    timeout_s: Positive = 60  # without a byte
    total_s: Positive = 1800  # for one page or file, waits included
    attempts: Positive = 6
    max_mb: Positive = 2048  # a larger body is an error

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, data: Any) -> Any:
        """Fold the flat form into one resource."""
        if not isinstance(data, dict) or "resources" in data:
            return data
        own = {key: value for key, value in data.items() if key in Resource.model_fields}
        return {key: value for key, value in data.items() if key not in own} | {"resources": [own]}

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [r.name for r in self.resources]
        if len(set(names)) < len(names):
            raise ValueError("resources: each needs a `name` of its own")
        if (self.auth in {"header", "query"}) != (self.auth_name is not None):
            raise ValueError("`auth_name` goes with auth: header and auth: query, and only with them")
        if self.auth != "bearer" and self.auth_env is None:
            raise ValueError("`auth` needs `auth_env`, the environment variable that holds the credential")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables it needs."""
        return _present(*(r.url_env for r in self.resources), self.auth_env, self.ca_env)


class Query(_Declared):
    """One query, one table: lands JSON lines as `<table>_<YYYYmmddTHHMMSSZ>.jsonl.gz`; no row, no file.

    With a watermark, every further million rows of one collection are a file of their own, a second later by its name.
    """

    table: FileStem
    sql: str  # one SELECT; with a watermark it is used as a sub-query
    # Column of the result (integer, date or instant) that never goes back: only rows from the largest value seen, less
    # `overlap`, are asked for. None: the whole result every time, landed when it differs from the last; then give the
    # query an ORDER BY, or the same rows in another order will pass for a change.
    watermark: str | None = None
    overlap: Annotated[int, Field(ge=0)] = 0  # seconds of an instant, units of an integer: rows committed late

    @field_validator("sql")
    @classmethod
    def _one_select(cls, sql: str) -> str:
        sql = sql.strip().rstrip(";").rstrip()
        if not re.match(r"(?i)(select|with)\b", sql):
            raise ValueError("the query must be one SELECT")
        return sql


class Sql(_Declared):
    """Queries on a supplier's PostgreSQL or MariaDB, in a read-only transaction, streamed.

    The variable named by `url_env` holds `postgresql://user:password@host/database` or `mariadb://...`. Values land
    as JSON scalars: exact decimals, instants ISO 8601 with offset, bytes base64.
    """

    kind: Literal["sql"]
    url_env: EnvName
    queries: Annotated[tuple[Query, ...], Field(min_length=1)]
    # Instants that the database keeps without zone: the IANA zone they are in (those of a repeated or skipped hour land
    # without offset, so that they are quarantined and not guessed), or `keep`: all land as they are, for a contract
    # column of type local_timestamp. None: such an instant is an error.
    zone: str | None = None
    every_min: Positive = 60
    timeout_s: Positive = 600  # of one statement

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        if zone not in {None, "keep"}:
            try:
                ZoneInfo(str(zone))
            except (ZoneInfoNotFoundError, ValueError) as error:
                msg = f"unknown time zone {zone!r}: use an IANA name such as Europe/Paris"
                raise ValueError(msg) from error
        return zone

    @model_validator(mode="after")
    def _tables_differ(self) -> Self:
        tables = [q.table for q in self.queries]
        if len(set(tables)) < len(tables):
            raise ValueError("queries: each needs a `table` of its own")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables it needs."""
        return (self.url_env,)


class Mqtt(_Declared):
    """Messages of an MQTT broker, QoS 1 in a session that outlives the connection: `datanevers collect mqtt`.

    The variable named by `url_env` holds `mqtt://user:password@host:1883` (or `mqtts://`). Messages land as JSON
    lines in `<name>_<YYYYmmddTHHMMSSZ>_p0001.jsonl`. A JSON object is kept as it is, unless `envelope` asks for
    `{"_topic", "_time", "_payload"}`; a payload that is no JSON object is always kept in an envelope, with
    `_payload` (other JSON) or `_payload_base64` (anything else).
    """

    kind: Literal["mqtt"]
    url_env: EnvName
    topics: Annotated[tuple[str, ...], Field(min_length=1)]
    name: FileStem | None = None  # start of the file names; None: the source's id
    client_id: str | None = None  # None: `datanevers-<source>`. The broker keeps messages under this name
    version: Literal["3.1.1", "5"] = "5"
    session_expiry_h: Positive = 168  # how long the broker keeps messages for us while we are away (version 5)
    envelope: bool = False
    ca_env: EnvName | None = None
    rotate_mb: Positive = 16
    rotate_min: Positive = 15

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables it needs."""
        return _present(self.url_env, self.ca_env)


class Sftp(_Declared):
    """Files of a folder on an SFTP server, under their own names; nothing is deleted there.

    The variable named by `url_env` holds `sftp://user:password@host:22`; a private key is a file whose path is in the
    variable `key_env`. The server's key must be in the file whose path is in `known_hosts_env`.
    """

    kind: Literal["sftp"]
    url_env: EnvName
    path: str = "."
    files: str = ".*"  # regular expression that the whole file name must match
    key_env: EnvName | None = None
    known_hosts_env: EnvName = "DATANEVERS_SFTP_KNOWN_HOSTS"
    settle_s: Annotated[int, Field(ge=0)] = 60  # a file changed more recently may still be in writing
    every_min: Positive = 60
    timeout_s: Positive = 60
    max_mb: Positive = 2048

    @field_validator("files")
    @classmethod
    def _compiles(cls, files: str) -> str:
        try:
            re.compile(files)
        except re.error as error:
            msg = f"not a regular expression: {error}"
            raise ValueError(msg) from error
        return files

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables it needs."""
        return _present(self.url_env, self.key_env, self.known_hosts_env)


Connector = Annotated[Http | Sql | Mqtt | Sftp, Field(discriminator="kind")]


def _present(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name is not None))
