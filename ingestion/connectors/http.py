"""HTTP: files of a server, and pages of an API, each body as it was received.

Belongs here: how one resource is walked through, page by page, so that a crash costs at most the page under way. Does
not: one request and its retries (download.py), or what is in the pages past where they go on (documents.py).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.connectors.arrival import STAMP, Arrival, FetchError, due, file_name, land, leftovers, sha256_of
from ingestion.connectors.documents import Look, look
from ingestion.connectors.download import Downloader, Endpoint
from ingestion.connectors.state import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestion.connectors.declared import Http, Resource

# Cursors of servers expire, and a file should not be named after an instant that is far from its content.
RESUME_WITHIN = timedelta(days=1)
# What a server says to a cursor that it no longer knows.
LOST = frozenset({400, 404, 409, 410, 422})


def collect(arrival: Arrival, connector: Http, *, force: bool) -> None:
    """Fetch what is new of every resource; a resource that fails does not stop the others."""
    try:
        downloader = Downloader(arrival, connector)
    except OSError as error:  # the certificate authority cannot be read
        arrival.fail(arrival.source, error)
        return
    try:
        for resource in connector.resources:
            name = resource.name or arrival.source
            if not force and not due(arrival.state.get(name), arrival.now, connector.every_min):
                continue
            try:
                _Walk(arrival, resource, name, downloader).run()
            except Exception as error:  # noqa: BLE001 - the boundary of one resource: recorded
                arrival.fail(name, error)
    finally:
        downloader.close()


@dataclass(frozen=True)
class _Place:
    """Where a collection is: all it takes to go on after a crash."""

    instant: datetime  # when it began: it names the files
    page: int = 1
    at: str | None = None  # address, cursor or number of the page; None is the first
    asked: str | None = None  # what was sent as the watermark
    latest: datetime | None = None  # of the records so far

    def kept(self) -> Value:
        """JSON form."""
        return {
            "instant": self.instant.isoformat(),
            "page": self.page,
            "at": self.at,
            "asked": self.asked,
            "latest": self.latest.isoformat() if self.latest else None,
        }

    @classmethod
    def read(cls, kept: Mapping[str, object]) -> _Place:
        """From its JSON form."""
        latest = kept["latest"]
        return cls(
            instant=datetime.fromisoformat(str(kept["instant"])),
            page=int(str(kept["page"])),
            at=None if kept["at"] is None else str(kept["at"]),
            asked=None if kept["asked"] is None else str(kept["asked"]),
            latest=None if latest is None else datetime.fromisoformat(str(latest)),
        )


class _Walk:
    """One collection of one resource."""

    def __init__(self, arrival: Arrival, resource: Resource, name: str, downloader: Downloader) -> None:
        self._arrival = arrival
        self._resource = resource
        self._name = name
        self._downloader = downloader
        address = resource.url or arrival.secrets.get(resource.url_env or "")
        self._endpoint = Endpoint(address, resource, downloader.connector, arrival.secrets)
        self._state = arrival.state.get(name)
        self._seen: set[str] = set()

    def run(self) -> None:
        """Walk from where an earlier process stopped, or from the start, to the end."""
        pages = self._resource.pages
        place: _Place | None = self._start()
        continued = place is not None and place.page > 1
        while place is not None:
            if place.page > (pages.limit if pages else 1):
                self._abandon()
                raise FetchError(f"plus de {place.page - 1} pages : la pagination ne finit pas")
            place = self._page_or_abandon(place)
        if not continued:  # otherwise the first pages were not seen by this process
            self._arrival.state.keep_only(self._name, self._seen)

    def _start(self) -> _Place:
        now = self._arrival.now
        begun = self._begun()
        if unfinished := self._state.get("unfinished"):
            place = _Place.read(unfinished)
            if now - place.instant < RESUME_WITHIN:
                return replace(place, at=place.at and self._arrival.secrets.unseal(place.at))
        return _Place(begun or now.replace(microsecond=0), asked=self._watermark())

    def _begun(self) -> datetime | None:
        """When a process that was killed within its first page began; what is too old to go on with is removed."""
        begun = None
        for part in leftovers(self._arrival.folder, f"{self._name}_"):
            instant = _instant_of(part.name, self._name)
            if instant and self._arrival.now - instant >= RESUME_WITHIN:
                part.unlink()
            elif instant and "_p0001." in part.name:
                begun = instant
        return begun

    def _watermark(self) -> str | None:
        """What to ask for records since."""
        since = self._resource.since
        if since is None:
            return None
        if known := self._state.get("since"):
            start = datetime.fromisoformat(known) - timedelta(minutes=since.overlap_min)
        else:
            start = self._arrival.now - timedelta(days=since.first_days)
        return start.astimezone(UTC).strftime(since.format)

    def _page_or_abandon(self, place: _Place) -> _Place | None:
        try:
            return self._page(place)
        except FetchError as error:
            if place.page > 1 and error.http_status in LOST:  # it would be refused for ever: begin again next time
                self._abandon()
            raise

    def _page(self, place: _Place) -> _Place | None:
        """Fetch one page; the next one's place, or None after the last."""
        arrival = self._arrival
        url = self._endpoint.page(place.at, place.asked)
        item = hashlib.sha256(str(url).encode()).hexdigest()[:16]
        self._seen.add(item)
        known = arrival.state.get(self._name, item)
        file = file_name(self._name, place.instant, place.page, self._resource.extension)
        answer = self._downloader.get(self._endpoint, url, arrival.part(file), known)
        if answer.body is None:
            found = Look(known.get("next"), known.get("records"), _optional_instant(known.get("latest")))
            arrival.tell(self._name, "not_modified", http_status=answer.status)
        else:
            found = self._look(answer.body)
            digest, size = sha256_of(answer.body), answer.body.stat().st_size
            empty = found.records == 0 and (place.page > 1 or place.asked is not None)
            if empty or digest == known.get("sha256"):
                answer.body.unlink()
                told: Value = {"status": "not_modified"}
            else:
                land(answer.body, arrival.folder / file)
                told = {"status": "fetched", "file": file}
            arrival.tell(self._name, http_status=answer.status, bytes=size, rows=found.records, **told)
            known = {**answer.validators, "sha256": digest}
        kept = {**known, "next": found.continuation, "records": found.records, "latest": _text(found.latest)}
        following = self._following(place, found)
        self._remember(place, following, found, {item: kept})
        return following

    def _look(self, body: Path) -> Look:
        pages, since = self._resource.pages, self._resource.since
        if not pages and not since:
            return Look()
        continuation = (pages.next or pages.cursor) if pages else None
        records = since.records if since else pages.records if pages else None
        try:
            found = look(body, continuation=continuation, records=records, instant=since.column if since else None)
        except FetchError:
            body.unlink()
            raise
        if found.continuation is not None:
            found = replace(found, continuation=self._arrival.secrets.seal(self._endpoint.bare(found.continuation)))
        return found

    def _following(self, place: _Place, found: Look) -> _Place | None:
        pages = self._resource.pages
        at = self._arrival.secrets.unseal(found.continuation) if found.continuation else None
        if pages and pages.records is not None:
            number = int(place.at or pages.first)
            last = found.records == 0 or (pages.size is not None and (found.records or 0) < pages.size)
            at = None if last else str(number + 1)
        latest = max(filter(None, (place.latest, found.latest)), default=None)
        if pages is None or at is None:
            return None
        if at == place.at:
            raise FetchError("la page suivante annoncée est la page elle-même : la pagination ne finit pas")
        return replace(place, page=place.page + 1, at=at, latest=latest)

    def _remember(self, place: _Place, following: _Place | None, found: Look, items: dict[str, Value]) -> None:
        """In one commit: what the page was, and where the collection is."""
        if following is not None:
            at = following.at and self._arrival.secrets.seal(following.at)
            self._state = {**self._state, "unfinished": replace(following, at=at).kept()}
        else:
            # An instant in the future is an error of a device: believed, it would hide all that comes before it.
            instants = [_optional_instant(self._state.get("since")), place.latest, found.latest]
            latest = max((min(i, self._arrival.now) for i in instants if i is not None), default=None)
            self._state = {"finished": self._arrival.now.isoformat(), "since": _text(latest)}
        self._arrival.remember(self._name, {"": self._state, **items})

    def _abandon(self) -> None:
        for part in leftovers(self._arrival.folder, f"{self._name}_"):
            if _instant_of(part.name, self._name):
                part.unlink()
        self._state = {key: value for key, value in self._state.items() if key != "unfinished"}
        self._arrival.remember(self._name, {"": self._state})


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _optional_instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _instant_of(file: str, name: str) -> datetime | None:
    match = re.match(re.escape(name) + r"_(\d{8}T\d{6}Z)_p\d{4,}\.", file)
    return datetime.strptime(match[1], STAMP).replace(tzinfo=UTC) if match else None
