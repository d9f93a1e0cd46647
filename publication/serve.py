"""The embedded web server: the published tree as it is, and the data API over it, read only.

Belongs here: HTTP of files (media types, ranges, compression, what is refused). Does not: the data API (api/); anything
that is neither; any web server or object store can take the tree's place.

The tree is looked up at each request, so a new publication is served at once, by the server already running. Nothing
answers with a redirect: harvesters take one for a failure.
"""

from __future__ import annotations

import gzip
import re
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio.to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from lake.home import publication_dir, tmp_dir
from publication.api.engine import Engine
from publication.api.routes import refusal, router
from publication.resources import current
from publication.vocabulary import FORMATS

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

# By ending: the guess of the operating system differs from one machine to the next.
MEDIA_TYPES: dict[str, str] = {
    "atom": "application/atom+xml; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "pdf": "application/pdf",
    "png": "image/png",
    "rdf": "application/rdf+xml",
    "svg": "image/svg+xml",
    "ttl": "text/turtle; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "webp": "image/webp",
    "xml": "application/xml; charset=utf-8",
} | {str(ending): form.content_type for ending, form in FORMATS.items()}
_COMPRESSED = frozenset(
    {"atom", "css", "csv", "geojson", "html", "js", "json", "jsonld", "rdf", "svg", "ttl", "txt", "xml"}
)
# Below, headers outweigh what is saved; above, the first reader would wait for seconds.
_COMPRESS_FROM, _COMPRESS_TO = 1_000, 32_000_000

_METHODS = "GET, HEAD, OPTIONS"
# The pages load nothing from elsewhere: script, style, pictures and data are the tree's own.
_HEADERS = {
    "access-control-allow-origin": "*",  # always, not only to who says Origin: caches keep what they get
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",  # ask again each time; an unchanged file answers 304
}
# What RFC 9110 calls a valid byte range; anything else in the header is as if it were not there.
_ONE_RANGE = r"([0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})"
_RANGES = re.compile(rf"bytes=\s*{_ONE_RANGE}(\s*,\s*{_ONE_RANGE})*\s*", re.IGNORECASE)
_KEPT_COMPRESSED = 256_000_000


@dataclass(frozen=True)
class Found:
    """A file of the tree: where it is, and what HTTP says of it."""

    path: Path
    stat: os.stat_result
    name: str  # in the tree
    etag: str

    @property
    def ending(self) -> str:
        """What the media type goes by."""
        return self.name.rsplit(".", 1)[-1]

    @property
    def is_compressible(self) -> bool:
        """Whether it gains from compression."""
        return self.ending in _COMPRESSED and _COMPRESS_FROM <= self.stat.st_size <= _COMPRESS_TO


class Compressed:
    """Gzip forms of files, each made once, at the first request for it, in a folder that goes away with the server.

    A form made beforehand has a length and an ETag of its own, which one made while it is sent cannot have.
    """

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._making = anyio.Semaphore(1)

    async def form(self, found: Found) -> Path | None:
        """The compressed file; None when there is no place to make it."""
        async with self._making:
            try:
                return await anyio.to_thread.run_sync(self._form, found)
            except OSError:  # a full or read-only disk: the file as it is does as well
                return None

    def _form(self, found: Found) -> Path:
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="served-", dir=tmp_dir())
        folder = Path(self._folder.name)
        target, unfinished = folder / f"{found.etag}.gz", folder / "unfinished"
        if not target.exists():
            with found.path.open("rb") as source, gzip.open(unfinished, "wb", compresslevel=6) as out:
                shutil.copyfileobj(source, out)
            self._make_room(folder)
            unfinished.rename(target)
        return target

    def _make_room(self, folder: Path) -> None:
        """Forget the forms that were made first: of publications that are no more."""
        kept = sorted(((f.stat(), f) for f in folder.glob("*.gz")), key=lambda pair: pair[0].st_mtime)
        size = sum(stat.st_size for stat, _ in kept)
        for stat, path in kept:
            if size < _KEPT_COMPRESSED:
                return
            path.unlink()
            size -= stat.st_size

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class PublishedFiles(StaticFiles):
    """Files of the current tree; `index.html` for a folder; nothing hidden, nothing outside, no listing."""

    def __init__(self, compressed: Compressed) -> None:
        super().__init__(directory=publication_dir(), check_dir=False)
        self._compressed = compressed

    async def check_config(self) -> None:
        """The tree may appear after the server: until then every path is a 404."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or its compressed form, or word that the reader has it already."""
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": _METHODS})
        found = await anyio.to_thread.run_sync(_find, path)
        if found is None:
            missing = await anyio.to_thread.run_sync(_find, "404.html")
            if missing is None:
                raise HTTPException(404)
            return FileResponse(missing.path, 404, headers=_HEADERS | {"content-type": MEDIA_TYPES["html"]})
        asked = _without_bad_range(scope)
        headers = _headers(found, scope["path"])
        packed = found.is_compressible and "range" not in asked and _accepts_gzip(asked.get("accept-encoding", ""))
        if packed:
            headers["etag"] = f'"{found.etag}-gzip"'
        if self.is_not_modified(Headers(headers), asked):
            return NotModifiedResponse(Headers(headers))
        form = await self._compressed.form(found) if packed else None
        if form is not None:
            headers["content-encoding"] = "gzip"
            return FileResponse(form, headers=headers, stat_result=form.stat())
        headers["etag"] = f'"{found.etag}"'
        return FileResponse(found.path, headers=headers, stat_result=found.stat)


def _find(path: str) -> Found | None:
    """What a path of a request names in the tree, a folder's `index.html` for a folder; None when it names nothing."""
    if "\\" in path or "\0" in path or any(part.startswith(".") for part in Path(path).parts):
        return None
    # One look at the link per request: a swap in between cannot mix two trees.
    root = publication_dir().resolve()
    try:
        full = (root / path).resolve()
        if full.is_dir():
            full = (full / "index.html").resolve()
        # after links are followed: one that leads outside names nothing
        if not full.is_relative_to(root) or not full.is_file():
            return None
        stat = full.stat()
    except (OSError, ValueError):  # a name too long, a loop of links, a file of a tree that is gone
        return None
    name = full.relative_to(root).as_posix()
    tree = current()
    listed = tree.state.files.get(name) if tree is not None and tree.root == root else None
    # its bytes; a file that no publication listed is known by its time and length
    known = (
        listed.sha256
        if listed is not None and listed.bytes == stat.st_size
        else f"{stat.st_mtime_ns:x}-{stat.st_size:x}"
    )
    return Found(full, stat, name, known[:32])


def _headers(found: Found, asked: str) -> dict[str, str]:
    """What is said of a file, whatever form of it is sent."""
    headers = _HEADERS | {
        "content-type": MEDIA_TYPES.get(found.ending, "application/octet-stream"),
        "etag": f'"{found.etag}"',
        "last-modified": formatdate(found.stat.st_mtime, usegmt=True),
    }
    if found.is_compressible:
        headers["vary"] = "Accept-Encoding"
    if found.path.name == "index.html" and not asked.endswith(("/", "/index.html")):
        # The page of a folder named without its slash: programs have it at once. The links of the page start from the
        # folder, so browsers go on there; its name comes from the tree, never from the request.
        folder = quote(f"/{found.name.removesuffix('index.html')}")
        headers |= {"content-location": folder, "refresh": f"0; url={folder}"}
    return headers


def _without_bad_range(scope: Scope) -> Headers:
    """The headers of a request, its Range taken out where RFC 9110 has it ignored: when malformed, and but for GET."""
    headers = MutableHeaders(scope=scope)
    asked = headers.get("range", "")
    backwards = any(int(first) > int(last) for first, last in re.findall("([0-9]+)-([0-9]+)", asked))
    if scope["method"] != "GET" or not _RANGES.fullmatch(asked) or backwards:
        del headers["range"]
    return Headers(scope=scope)


def _accepts_gzip(accepted: str) -> bool:
    """Whether `Accept-Encoding` allows gzip: named, or by `*`, and not with a weight of 0."""
    weights = {}
    for item in accepted.lower().split(","):
        coding, _, weight = item.partition(";")
        weights[coding.strip()] = weight.replace(" ", "")
    return not re.fullmatch(r"q=0(\.0*)?", weights.get("gzip", weights.get("*", "q=0")))


class AnswerOptions:
    """OPTIONS anywhere: what may be done here. Before a cross-origin request it is CORSMiddleware that answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer OPTIONS, pass on the rest."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=_HEADERS | {"Allow": _METHODS})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def application() -> Starlette:
    """The ASGI application, for any server."""
    engine, compressed = Engine(), Compressed()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        engine.close()
        compressed.close()

    return Starlette(
        routes=[Mount("/api", app=router(engine)), Mount("/", app=PublishedFiles(compressed), name="publication")],
        middleware=[
            Middleware(
                CORSMiddleware,  # open data: any page may read it
                allow_origins=["*"],
                allow_methods=["GET", "HEAD", "OPTIONS"],
                allow_headers=["Range", "If-Range", "If-None-Match", "If-Modified-Since"],
                expose_headers=["Content-Length", "Content-Range", "ETag", "Last-Modified", "Retry-After"],
                max_age=86_400,
            ),
            Middleware(AnswerOptions),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )


_REFUSALS = {
    404: ("Page ou fichier introuvable", "Vérifier l'adresse ; les jeux de données sont à la page d'accueil, /."),
    405: ("Lecture seule", "Employer GET, HEAD ou OPTIONS."),
}


def _refused(request: Request, error: Exception) -> Response:
    """Say no: in one French line, or as the data API does below `/api`."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = _HEADERS | (dict(error.headers or {}) if isinstance(error, HTTPException) else {})
    if status == 405:
        headers["Allow"] = _METHODS
    what, advice = _REFUSALS.get(status, ("Requête refusée", "Réessayer plus tard."))
    if request.url.path.startswith("/api/"):
        told = error.detail if isinstance(error, HTTPException) else ""
        body = told if told.startswith("{") else refusal(status, what, advice).detail
        return Response(body, status_code=status, headers=headers, media_type="application/json")
    return PlainTextResponse(f"{what}. {advice}\n", status_code=status, headers=headers)


def _failed(request: Request, error: Exception) -> Response:
    """Our own fault: the log has the trace, the reader a plain word."""
    return _refused(request, error)


def serve(port: int, host: str = "127.0.0.1") -> None:
    """Serve the published tree until interrupted. Only this machine can connect unless `host` says otherwise."""
    import uvicorn

    # more connections than that wait for the system to accept them, instead of taking memory here
    uvicorn.run(application(), host=host, port=port, log_level="info", server_header=False, limit_concurrency=512)
