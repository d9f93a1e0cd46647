"""The embedded web server: the published tree as it is, read only.

Belongs here: HTTP (media types, what is refused). Does not: anything that is not a file of the tree; any web server or
object store can take this one's place.

The tree is looked up at each request, so a new publication is served at once, by the server already running.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from lake.home import publication_dir
from publication.vocabulary import FORMATS

if TYPE_CHECKING:
    import os

    from starlette.requests import Request
    from starlette.types import Scope

# By ending: the guess of the operating system differs from one machine to the next.
MEDIA_TYPES: dict[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "xml": "application/xml; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "rdf": "application/rdf+xml",
    "ttl": "text/turtle; charset=utf-8",
} | {str(ending): form.content_type for ending, form in FORMATS.items()}
# The pages load their own style sheet, script, search index and pictures, and nothing from elsewhere.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",  # ask again each time; an unchanged file answers 304
}


class PublishedFiles(StaticFiles):
    """Files of the current tree; `index.html` for a folder; nothing hidden, nothing outside, no listing."""

    def __init__(self) -> None:
        super().__init__(directory=publication_dir(), html=True, check_dir=False)

    async def check_config(self) -> None:
        """The tree may appear after the server: until then every path is a 404."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Where a path of a request is on disk, ("", None) when it is not a file or folder of the tree."""
        if "\\" in path or any(part.startswith(".") for part in Path(path).parts):
            return "", None
        # One look at the link per request: a swap in between cannot mix two trees.
        root = publication_dir().resolve()
        full = (root / path).resolve()
        if not full.is_relative_to(root):
            return "", None
        try:
            return str(full), full.stat()
        except (FileNotFoundError, NotADirectoryError):
            return "", None

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with our media type and headers."""
        response = await super().get_response(path, scope)
        ending = str(getattr(response, "path", "")).rsplit(".", 1)[-1]
        if ending in MEDIA_TYPES:
            response.headers["content-type"] = MEDIA_TYPES[ending]
        response.headers.update(_HEADERS)
        return response


def application() -> Starlette:
    """The ASGI application, for any server."""
    return Starlette(
        routes=[Mount("/", app=PublishedFiles(), name="publication")],
        middleware=[
            Middleware(
                CORSMiddleware,  # open data: any page may read it
                allow_origins=["*"],
                allow_methods=["GET", "HEAD", "OPTIONS"],
                allow_headers=["Range", "If-None-Match", "If-Modified-Since"],
                expose_headers=["Content-Length", "Content-Range", "ETag", "Last-Modified"],
            )
        ],
        exception_handlers={HTTPException: _refused},
    )


def _refused(_: Request, error: Exception) -> Response:
    """Say no in one French line."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = {404: "Page ou fichier introuvable.", 405: "Lecture seule : GET et HEAD."}.get(status, "Requête refusée.")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return PlainTextResponse(f"{text}\n", status_code=status, headers=headers | _HEADERS)


def serve(port: int, host: str = "127.0.0.1") -> None:
    """Serve the published tree until interrupted. Only this machine can connect unless `host` says otherwise."""
    import uvicorn

    uvicorn.run(application(), host=host, port=port, log_level="info", server_header=False)
