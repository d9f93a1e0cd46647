"""The data API over HTTP: paths, answers, refusals.

Belongs here: what a path answers, conditional requests, errors as JSON in French. Does not: SQL (query.py), limits
(engine.py), the documents that describe it (describe.py).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, Router

from ingestion.territory import load_territory
from publication.api import describe
from publication.api.engine import Busy, Engine, TooCostly, Total
from publication.api.query import BadQuery, Contradiction, Query, parse
from publication.resources import Resource, Tree, current, resource_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

MAX_QUERY_STRING = 32_000
_JSON, _CSV = "application/json", "text/csv; charset=utf-8"
_CHUNK_LINES = 500
_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


def router(engine: Engine) -> Router:
    """The routes below `/api`, with and without their last slash: nothing answers with a redirect."""
    api = _Api(engine)
    known: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/openapi.json": api.openapi,
        "/resources": api.index,
        "/resources/{id}": api.summary,
        "/resources/{id}/profile": api.profile,
        "/resources/{id}/swagger": api.swagger,
        "/resources/{id}/data": api.data,
        "/resources/{id}/data/csv": api.csv,
        "/resources/{id}/data/json": api.json,
    }
    routes = [Route(p, get, methods=["GET"]) for path, get in known.items() for p in {path, f"{path.rstrip('/')}/"}]
    # level 5: nearly the size of the default 9, for a third of its time
    return Router(
        routes, redirect_slashes=False, middleware=[Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)]
    )


class _Api:
    """What each path answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def index(self, request: Request) -> Response:
        tree = _tree()
        listed = [describe.summary(resource, _base(request)) for resource in tree.resources.values()]
        return _document(request, {"data": listed, "meta": {"total": len(listed)}})

    async def openapi(self, request: Request) -> Response:
        described = describe.openapi(_tree().resources.values(), load_territory(), _base(request))
        return _document(request, described)

    async def summary(self, request: Request) -> Response:
        return _document(request, describe.summary(_resource(request), _base(request)))

    async def profile(self, request: Request) -> Response:
        return _document(request, describe.profile(_resource(request)))

    async def swagger(self, request: Request) -> Response:
        return _document(request, describe.swagger(_resource(request), load_territory(), _base(request)))

    async def data(self, request: Request) -> Response:
        """One page of rows."""
        resource, query, headers = _asked(request)
        if _is_known(request, headers):
            return Response(status_code=304, headers=headers)
        rows, total = await self._read(lambda reader: reader.page(resource, query))
        tail = {"links": _links(request, resource, query, total), "meta": _meta(query, total)}
        body = f'{{"data":[{",".join(rows)}],'.encode() + orjson.dumps(tail)[1:]
        return Response(body, media_type=_JSON, headers=headers)

    async def csv(self, request: Request) -> Response:
        return await self._export(request, as_csv=True)

    async def json(self, request: Request) -> Response:
        return await self._export(request, as_csv=False)

    async def _export(self, request: Request, *, as_csv: bool) -> Response:
        """All rows that match, as a file."""
        resource, query, headers = _asked(request, paged=False)
        if _is_known(request, headers):
            return Response(status_code=304, headers=headers)
        lines = await self._read(lambda reader: reader.export(resource, query, as_csv=as_csv))
        ending = "csv" if as_csv else "json"
        headers["content-disposition"] = f'attachment; filename="{resource.id}.{ending}"'
        head, between, tail = (f"{query.csv_header()}\n", "\n", "\n") if as_csv else ("[", ",\n", "]\n")
        if as_csv and not lines:
            tail = ""
        size = sum(len(line.encode()) for line in lines) + len(between) * max(0, len(lines) - 1)
        headers["content-length"] = str(len(head.encode()) + size + len(tail))
        media_type = _CSV if as_csv else _JSON
        return StreamingResponse(_joined(head, lines, between, tail), media_type=media_type, headers=headers)

    async def _read(self, work: Callable[[Any], Any]) -> Any:
        """What a reader gives, or the refusal."""
        import duckdb

        try:
            return await self._engine.run(work)
        except Busy as error:
            raise refusal(503, "Trop de requêtes à la fois", "Réessayer dans quelques secondes.", retry=2) from error
        except TooCostly as error:
            advice = "Ajouter des filtres, demander moins de colonnes, ou télécharger le fichier entier."
            raise refusal(422, f"Requête trop coûteuse : {error}", advice) from error
        except duckdb.IOException as error:
            # its tree was replaced twice between the look-up and the reading
            raise refusal(503, "La publication vient d'être remplacée", "Réessayer.", retry=1) from error


def refusal(
    status: int, what: str, advice: str, parameter: str | None = None, retry: int | None = None
) -> HTTPException:
    """An error as the API tells it: what, where, what to do."""
    told = {"code": status, "title": what, "parameter": parameter, "detail": advice}
    headers = {"retry-after": str(retry)} if retry is not None else {}
    return HTTPException(status, detail=orjson.dumps({"errors": [told]}).decode(), headers=headers)


def _tree() -> Tree:
    tree = current()
    if tree is None:
        raise refusal(503, "Rien n'est encore publié", "Réessayer après la première publication.", retry=60)
    return tree


def _resource(request: Request) -> Resource:
    name = request.path_params["id"]
    resource = _tree().resources.get(name)
    if resource is None:
        advice = "La liste des ressources est à /api/resources/."
        raise refusal(404, "Ressource inconnue", advice, parameter="id")
    return resource


def _asked(request: Request, *, paged: bool = True) -> tuple[Resource, Query, dict[str, str]]:
    """The resource, what is asked of it, and the headers of the answer.

    The answer depends on the file's bytes and the request alone: its ETag is known before any row is read.
    """
    resource, text = _resource(request), _query_string(request)
    if len(text) > MAX_QUERY_STRING:
        advice = f"Donner moins de filtres : {MAX_QUERY_STRING} caractères au plus."
        raise refusal(414, f"Requête de {len(text)} caractères", advice)
    try:
        query = parse(resource, parse_qsl(text, keep_blank_values=True), paged=paged)
    except BadQuery as error:
        status = 409 if isinstance(error, Contradiction) else 400
        raise refusal(status, f"{error.what[:1].upper()}{error.what[1:]}", error.advice, error.parameter) from error
    said = [resource.file.sha256, _base(request), request.scope["path"], text]
    return resource, query, {"etag": _etag("\n".join(said).encode())}


def _document(request: Request, content: dict[str, Any]) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_INDENT_2)
    headers = {"etag": _etag(body)}
    if _is_known(request, headers):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=_JSON, headers=headers)


def _etag(content: bytes) -> str:
    """Weak: the same answer may be sent compressed."""
    return f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'


def _is_known(request: Request, headers: dict[str, str]) -> bool:
    known = request.headers.get("if-none-match", "")
    mine = headers["etag"].removeprefix("W/")
    return known.strip() == "*" or mine in [tag.strip().removeprefix("W/") for tag in known.split(",")]


def _links(request: Request, resource: Resource, query: Query, total: Total) -> dict[str, str | None]:
    base = f"{_base(request)}{resource_path(resource.id)}"
    said = parse_qsl(_query_string(request), keep_blank_values=True)
    kept = [(name, value) for name, value in said if name not in ("page", "page_size")]

    def page(number: int) -> str:
        return f"{base}data/?{urlencode([*kept, ('page', number), ('page_size', query.page_size)])}"

    return {
        "profile": f"{base}profile/",
        "swagger": f"{base}swagger/",
        "next": page(query.page + 1) if query.offset + query.page_size < total.rows else None,
        "prev": page(query.page - 1) if query.page > 1 else None,
    }


def _meta(query: Query, total: Total) -> dict[str, int | bool]:
    return {
        "page": query.page,
        "page_size": query.page_size,
        "total": total.rows,
        "total_is_exact": total.is_exact,
    }


def _base(request: Request) -> str:
    """The portal's address as the reader wrote it."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise refusal(400, "En-tête Host illisible", "Donner un nom de machine, avec ou sans port.", parameter="Host")
    return f"{request.scope['scheme']}://{host}"


def _query_string(request: Request) -> str:
    text: bytes = request.scope["query_string"]
    return text.decode("utf-8", "replace")


async def _joined(head: str, lines: list[str], between: str, tail: str) -> AsyncIterator[bytes]:
    """The lines, some at a time: what a slow reader has not asked for yet is not copied."""
    yield head.encode()
    for start in range(0, len(lines), _CHUNK_LINES):
        end = start + _CHUNK_LINES
        yield (between.join(lines[start:end]) + (between if end < len(lines) else "")).encode()
    yield tail.encode()


__all__ = ["refusal", "router"]
