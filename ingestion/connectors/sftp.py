"""SFTP: files of a folder that are new or have changed, under their own names.

Belongs here: listing, resuming, and the proof that a file is whole. Does not: deleting anything on the server.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ingestion.connectors.arrival import MEGABYTE, PART, Arrival, FetchError, due, land, leftovers, sha256_of
from ingestion.landing import IGNORED_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paramiko import SFTPAttributes, SFTPClient

    from ingestion.connectors.declared import Sftp

# It writes a traceback to the terminal for each connection that fails; what failed is told as an outcome.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

BLOCK = 32 * 1024  # what every server answers in one message
WINDOW = 64 * BLOCK  # asked for at once: fast over a long line, and bounded
CONNECT_TIMEOUT_S = 20


def collect(arrival: Arrival, connector: Sftp, *, force: bool) -> None:
    """Fetch what is new; a file that fails does not stop the others."""
    name = connector.path
    if not force and not due(arrival.state.get(name), arrival.now, connector.every_min):
        return
    try:
        with _connected(arrival, connector) as client:
            found = _Folder(arrival, connector, client).fetch()
    except Exception as error:  # noqa: BLE001 - the boundary of the server: recorded
        arrival.fail(name, error)
        return
    if not arrival.outcomes:
        arrival.tell(name, "not_modified")
    arrival.state.keep_only(name, found)
    arrival.remember(name, {"": {"finished": arrival.now.isoformat()}})


@contextmanager
def _connected(arrival: Arrival, connector: Sftp) -> Iterator[SFTPClient]:
    """A session with a server whose key is known."""
    import paramiko

    secrets = arrival.secrets
    host, port, user, password = _address(secrets.get(connector.url_env), connector.url_env)
    with paramiko.SSHClient() as ssh:
        try:
            ssh.load_host_keys(secrets.get(connector.known_hosts_env))
        except OSError as error:
            raise FetchError(f"{connector.known_hosts_env} : fichier illisible ({error.strerror})") from None
        ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            ssh.connect(
                host,
                port,
                user,
                password,
                key_filename=secrets.get(connector.key_env) if connector.key_env else None,
                allow_agent=False,
                look_for_keys=False,
                timeout=CONNECT_TIMEOUT_S,
                banner_timeout=CONNECT_TIMEOUT_S,
                auth_timeout=CONNECT_TIMEOUT_S,
            )
        except paramiko.BadHostKeyException:
            raise FetchError(f"la clé du serveur {host} n'est pas celle de {connector.known_hosts_env}") from None
        except paramiko.AuthenticationException:
            raise FetchError(f"{host} refuse l'identification : vérifier {connector.url_env}") from None
        with ssh.open_sftp() as client:
            channel = client.get_channel()
            if channel is not None:
                channel.settimeout(connector.timeout_s)
            yield client


def _address(text: str, variable: str) -> tuple[str, int, str | None, str | None]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port or 22
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "sftp" or not host:  # outside the except: the parser's text may hold a piece of the password
        raise FetchError(f"{variable} n'est pas une adresse sftp:// (caractères à encoder en %xx ?)")
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return host, port, user, password


class _Folder:
    """The remote folder."""

    def __init__(self, arrival: Arrival, connector: Sftp, client: SFTPClient) -> None:
        self._arrival = arrival
        self._connector = connector
        self._client = client
        self._name = connector.path

    def fetch(self) -> set[str]:
        """Fetch what is new or has changed; the names of all that is there."""
        pattern = re.compile(self._connector.files)
        found = set()
        for entry in sorted(self._client.listdir_iter(self._name), key=lambda e: e.filename):
            if not stat.S_ISREG(entry.st_mode or 0) or not pattern.fullmatch(entry.filename):
                continue
            found.add(entry.filename)
            try:
                if self._wanted(entry):
                    self._get(entry)
            except (FetchError, PermissionError, FileNotFoundError) as error:
                self._arrival.fail(entry.filename, error)
        return found

    def _wanted(self, entry: SFTPAttributes) -> bool:
        name, age = entry.filename, self._arrival.now.timestamp() - (entry.st_mtime or 0)
        if name.startswith(".") or name.lower().endswith(IGNORED_SUFFIXES) or age < self._connector.settle_s:
            return False  # still being written
        if _version(entry) == self._arrival.state.get(self._name, name).get("version"):
            return False
        if "/" in name or "\\" in name or "!" in name or not name.isprintable():
            raise FetchError(f"nom de fichier refusé : {name!r}")
        if (entry.st_size or 0) > self._connector.max_mb * MEGABYTE:
            raise FetchError(f"fichier de plus de {self._connector.max_mb} Mo")
        return True

    def _get(self, entry: SFTPAttributes) -> None:
        """Fetch one file, from where an earlier process stopped when it is still the same."""
        arrival, name, version = self._arrival, entry.filename, _version(entry)
        part = arrival.part(f"{name}.{version}")
        for other in leftovers(arrival.folder, f"{name}."):
            if other != part and re.fullmatch(r"\.\d+-\d+", other.name.removeprefix(name).removesuffix(PART)):
                other.unlink()
        remote = f"{self._name.rstrip('/') or ''}/{name}" if self._name != "." else name
        self._copy(remote, part, entry.st_size or 0)
        if _version(self._client.stat(remote)) != version:
            part.unlink()
            raise FetchError("fichier modifié pendant le transfert : il sera repris au prochain passage")
        digest, size = sha256_of(part), part.stat().st_size
        if digest == arrival.state.get(self._name, name).get("sha256"):
            part.unlink()
            arrival.tell(self._name, "not_modified", bytes=size)
        else:
            land(part, arrival.folder / name, modified=entry.st_mtime)
            arrival.tell(self._name, "fetched", file=name, bytes=size)
        arrival.remember(self._name, {name: {"version": version, "sha256": digest}})

    def _copy(self, remote: str, part: Path, size: int) -> None:
        with self._client.open(remote, "rb") as source, part.open("ab") as sink:
            safe = max(sink.tell() - WINDOW, 0)  # all but the last window had reached the disk
            sink.truncate(safe)
            sink.seek(safe)
            while (start := sink.tell()) < size:
                window = range(start, min(start + WINDOW, size), BLOCK)
                for data in source.readv([(at, min(BLOCK, size - at)) for at in window]):
                    sink.write(data)
                sink.flush()
                os.fsync(sink.fileno())
                if sink.tell() == start:
                    raise FetchError("fichier raccourci pendant le transfert : il sera repris au prochain passage")


def _version(entry: Any) -> str:
    return f"{entry.st_size or 0}-{int(entry.st_mtime or 0)}"
