"""One HTTP body, from a request to a finished temporary file, however often the server or the line gives way.

Belongs here: headers, credentials, retries, ranges, limits. Does not: which address comes next (http.py).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay

from ingestion.connectors.arrival import MEGABYTE, PART, FetchError
from ingestion.connectors.secrets import Secrets, credential_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestion.connectors.arrival import Arrival
    from ingestion.connectors.declared import Http, Resource

AGAIN = frozenset({408, 425, 429})  # and every 5xx
REDIRECTS, MAX_REDIRECTS = frozenset({301, 302, 303, 307, 308}), 5
REFUSED = frozenset({401, 403, 407})
CHECKPOINT = 8 * MEGABYTE  # what a kill may cost of a long download
LONGEST_WAIT_S = 60.0  # between two tries, unless the server asks for more
COMPRESSIBLE = frozenset({"json", "csv", "xml", "txt", "geojson", "ttl", "rdf"})

# They write addresses (INFO) and headers (DEBUG) into whatever log the process has.
for _logger in ("httpx", "httpcore"):
    logging.getLogger(_logger).setLevel(logging.WARNING)


class _AgainError(FetchError):
    """Worth another try, after so many seconds when the server said so."""

    def __init__(self, reason: str, *, http_status: int | None = None, after: float | None = None) -> None:
        super().__init__(reason, http_status=http_status)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """What came: a finished file, or None when nothing is new; and what to send to be told so next time."""

    status: int
    body: Path | None
    validators: dict[str, str]


class Endpoint:
    """The address of a resource, and what may be sent to whom: credentials only go to the origin they are for."""

    def __init__(self, address: str, resource: Resource, connector: Http, secrets: Secrets) -> None:
        self._secret_params = credential_parameters(address)
        self._resource = resource
        self._auth: dict[str, str] = {}
        try:
            self._base = httpx.URL(self._without_credentials(httpx.URL(address).copy_with(userinfo=b"")))
            user = httpx.URL(address)
        except (httpx.InvalidURL, ValueError, TypeError):
            self._base = user = httpx.URL("")
        if self._base.scheme not in {"http", "https"} or not self._base.host:
            raise FetchError(f"adresse invalide dans {resource.url_env or 'url'}")
        if user.username or user.password:
            self._auth["Authorization"] = _basic(f"{user.username}:{user.password}")
        if connector.auth_env:
            self._authorize(connector, secrets.get(connector.auth_env))

    def _authorize(self, connector: Http, credential: str) -> None:
        if not credential.isprintable() or not credential.isascii():
            raise FetchError(f"{connector.auth_env} contient des caractères qui ne peuvent pas être envoyés")
        if connector.auth == "query":
            self._secret_params[connector.auth_name or ""] = credential
        elif connector.auth == "header":
            self._auth[connector.auth_name or ""] = credential
        else:
            self._auth["Authorization"] = _basic(credential) if connector.auth == "basic" else f"Bearer {credential}"

    def page(self, at: str | None, asked: str | None) -> httpx.URL:
        """Address of a page, without credentials."""
        pages, since = self._resource.pages, self._resource.since
        if pages and pages.next is not None and at is not None:
            return self._base.join(at)
        params = {name: _sent(value) for name, value in self._resource.params.items()}
        if since and asked is not None:
            params[since.parameter] = asked
        if pages and pages.size_parameter:
            params[pages.size_parameter] = str(pages.size)
        if pages and pages.cursor is not None and at is not None:
            params[pages.parameter or ""] = at
        if pages and pages.records is not None:
            params[pages.parameter or ""] = at or str(pages.first)
        return self._base.copy_merge_params(params) if params else self._base

    def bare(self, continuation: str) -> str:
        """What a page says of the next one, without the credentials that servers repeat in it."""
        pages = self._resource.pages
        if pages is None or pages.next is None or not self._secret_params:
            return continuation
        return str(self._without_credentials(self._base.join(continuation)))

    def _without_credentials(self, url: httpx.URL) -> httpx.URL:
        if not self._secret_params:
            return url
        return url.copy_with(params=[(k, v) for k, v in url.params.multi_items() if k not in self._secret_params])

    def request(self, url: httpx.URL) -> tuple[httpx.URL, dict[str, str]]:
        """Address and headers to send."""
        headers = {"User-Agent": "datanevers", **self._resource.headers}
        headers["Accept-Encoding"] = "gzip" if self._resource.extension in COMPRESSIBLE else "identity"
        if _origin(url) != _origin(self._base):
            return url, headers
        sent = url.copy_merge_params(self._secret_params) if self._secret_params else url
        return sent, headers | self._auth


class Downloader:
    """Keeps connections open over the resources of one collection."""

    def __init__(self, arrival: Arrival, connector: Http) -> None:
        self._arrival = arrival
        self.connector = connector
        authority = arrival.secrets.get(connector.ca_env) if connector.ca_env else None
        self._client = httpx.Client(
            timeout=httpx.Timeout(connector.timeout_s, connect=min(connector.timeout_s, 10)),
            follow_redirects=False,  # by hand, so that credentials stay with their origin
            verify=ssl.create_default_context(cafile=authority),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, endpoint: Endpoint, url: httpx.URL, part: Path, known: Mapping[str, str]) -> Answer:
        """Fetch a body into `part`.

        Raises:
            FetchError: when the server refuses, or did not manage in all tries.
        """
        deadline = time.monotonic() + self.connector.total_s
        retrying = Retrying(
            stop=stop_after_attempt(self.connector.attempts) | stop_before_delay(self.connector.total_s),
            wait=_wait,
            retry=retry_if_exception_type(_AgainError),
            sleep=self._arrival.sleep,
            reraise=True,
        )
        try:
            return retrying(self._try, endpoint, url, _Partial(part), known, deadline)
        except _AgainError as error:
            tries = retrying.statistics["attempt_number"]
            raise FetchError(f"{error} (après {tries} essais)", http_status=error.http_status) from None

    def _try(
        self, endpoint: Endpoint, url: httpx.URL, partial: _Partial, known: Mapping[str, str], deadline: float
    ) -> Answer:
        """One try; what the line or the server did wrong becomes a `FetchError` without secrets."""
        shown = self._arrival.secrets.redact(str(url.copy_with(query=None)))
        try:
            return self._follow(endpoint, url, partial, known, deadline)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            reason, kind = f"adresse impossible ({type(error).__name__})", FetchError
        except (httpx.TransportError, httpx.DecodingError) as error:
            reason, kind = f"{type(error).__name__} {error}".strip(), _AgainError
        except FetchError as error:
            error.args = (f"{shown} : {error}",)
            raise
        raise kind(f"{shown} : {self._arrival.secrets.redact(reason)}")

    def _follow(
        self, endpoint: Endpoint, url: httpx.URL, partial: _Partial, known: Mapping[str, str], deadline: float
    ) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            address, headers = endpoint.request(url)
            with self._client.stream("GET", address, headers=headers | partial.conditions(known)) as response:
                location = response.headers.get("Location")
                if response.status_code in REDIRECTS and location:
                    url = url.join(location)
                    continue
                return self._take(response, partial, deadline)
        raise FetchError(f"plus de {MAX_REDIRECTS} redirections")

    def _take(self, response: httpx.Response, partial: _Partial, deadline: float) -> Answer:
        status = response.status_code
        if status in {204, 304}:
            return Answer(status, None, {})
        if status == 416:  # what we have is not what the server has now
            partial.drop()
            raise _AgainError("reprise impossible", http_status=status, after=0)
        if status in AGAIN or status >= 500:
            after = _retry_after(response)
            asked = "" if after is None else f", attente demandée {after:.0f} s"
            raise _AgainError(f"HTTP {status}{asked}", http_status=status, after=after)
        if status not in {200, 203, 206}:
            hint = ", identifiants à vérifier" if status in REFUSED else ""
            raise FetchError(f"HTTP {status}{hint}", http_status=status)
        self._save(response, partial, deadline)
        validators = {"etag": response.headers.get("ETag"), "last_modified": response.headers.get("Last-Modified")}
        return Answer(status, partial.path, {k: v for k, v in validators.items() if v})

    def _save(self, response: httpx.Response, partial: _Partial, deadline: float) -> None:
        """Write the body; what was written of it stays usable when the line breaks."""
        limit = self.connector.max_mb * MEGABYTE
        with partial.writing(response) as sink, _Masked(sink, self._arrival.secrets) as masked:
            size = sink.tell()
            for chunk in response.iter_bytes():
                size += len(chunk)
                if size > limit:
                    partial.refuse()
                    raise FetchError(f"corps de plus de {self.connector.max_mb} Mo")
                masked.write(chunk)
                if time.monotonic() > deadline:
                    raise FetchError(f"corps inachevé après {self.connector.total_s} s")
                partial.checkpoint(sink)


class _Partial:
    """A body under way, and up to where it is safely on disk and of which version of the resource."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(f"{path.name.removesuffix(PART)}.resume{PART}")
        self._validator: str | None = None
        self._saved = 0
        self._refused = False

    def conditions(self, known: Mapping[str, str]) -> dict[str, str]:
        """Headers that ask for the rest of the body, or for a body only when it changed."""
        self._validator, self._saved = self._read_note()
        if self._validator and self._saved:
            return {"Range": f"bytes={self._saved}-", "If-Range": self._validator, "Accept-Encoding": "identity"}
        headers = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("last_modified")}
        return {name: value for name, value in headers.items() if value}

    def _read_note(self) -> tuple[str | None, int]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._note.read_text("utf-8"))
            if self.path.stat().st_size >= note["saved"] > 0:
                return str(note["validator"]), int(note["saved"])
        return None, 0

    @contextlib.contextmanager
    def writing(self, response: httpx.Response) -> Iterator[BinaryIO]:
        """The open file, at the place where the body goes on."""
        ranged = response.status_code == 206 and "Range" in response.request.headers
        start = f"bytes {self._saved}-"
        if ranged and not response.headers.get("Content-Range", "").startswith(start):
            self.drop()
            raise _AgainError("le serveur n'a pas repris où il fallait", after=0)
        if not ranged:
            self._saved, self._validator = 0, _strong_validator(response)
        with self.path.open("r+b" if ranged else "wb") as sink:
            sink.truncate(self._saved)
            sink.seek(self._saved)
            try:
                yield sink
            except BaseException:
                self._save(sink)
                raise
        if self._refused:
            self.drop()
        self._note.unlink(missing_ok=True)

    def checkpoint(self, sink: BinaryIO) -> None:
        """From time to time, make what is written safe."""
        if sink.tell() - self._saved >= CHECKPOINT:
            self._save(sink)

    def _save(self, sink: BinaryIO) -> None:
        if self._validator is None or self._refused:
            return
        sink.flush()
        os.fsync(sink.fileno())
        self._saved = sink.tell()
        fresh = self._note.with_name(f"{self._note.name}{PART}")
        fresh.write_text(json.dumps({"validator": self._validator, "saved": self._saved}), "utf-8")
        fresh.rename(self._note)

    def refuse(self) -> None:
        """Nothing of this body is to be kept."""
        self._refused = True
        self.drop()

    def drop(self) -> None:
        """Start from nothing next time."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _Masked:
    """Hides credentials that a server repeats in a body, also one that is cut in two by the chunks it comes in."""

    def __init__(self, sink: BinaryIO, secrets: Secrets) -> None:
        self._sink = sink
        self._secrets = secrets
        self._kept = max(secrets.longest - 1, 0)
        self._tail = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:  # after an error the tail may be half a credential: it is asked for again
            self._sink.write(self._tail)

    def write(self, chunk: bytes) -> None:
        """Write all but what may be the beginning of a credential."""
        data = self._secrets.mask(self._tail + chunk)
        cut = len(data) - self._kept
        self._sink.write(data[: max(cut, 0)])
        self._tail = data[max(cut, 0) :]


def _wait(state: RetryCallState) -> float:
    """What the server asks for, else twice as long each time, with jitter so that clients do not come back together."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, _AgainError) else None
    if asked is not None:
        return asked + random.uniform(0, min(asked, 1.0))  # noqa: S311 - jitter, not cryptography
    return random.uniform(0.5, 1.0) * min(2.0**state.attempt_number, LONGEST_WAIT_S)  # noqa: S311


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, from either form of Retry-After; None when there is none that can be read."""
    text: str = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        when: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max((when.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _strong_validator(response: httpx.Response) -> str | None:
    """What proves that two parts are of one body; a body that was compressed on the way cannot be resumed."""
    if "Content-Encoding" in response.headers:
        return None
    etag: str = response.headers.get("ETag", "")
    modified: str | None = response.headers.get("Last-Modified")
    return etag if etag and not etag.startswith("W/") else modified


def _basic(credential: str) -> str:
    import base64

    return f"Basic {base64.b64encode(credential.encode()).decode()}"


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


def _sent(value: str | float | bool) -> str:  # noqa: FBT001
    return str(value).lower() if isinstance(value, bool) else str(value)
