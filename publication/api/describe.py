"""What the data API says of itself: profiles, and OpenAPI 3.1 documents made from the published schemas.

Belongs here: these documents. Does not: what a request does (query.py, routes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from publication.api.engine import COUNTED_ON, EXPORT_ROWS, SECONDS
from publication.api.query import (
    MAX_LIST,
    MAX_PAGE,
    MAX_PAGE_SIZE,
    MAX_TEXT,
    OPERATORS,
    PAGE_SIZE,
    ROW_ID,
    WITHOUT_VALUE,
)
from publication.resources import resource_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingestion.territory import Territory
    from publication.resources import Column, Resource

_SAID = {
    "exact": "égal à",
    "differs": "différent de",
    "in": "parmi ces valeurs, séparées par des virgules",
    "notin": "hors de ces valeurs, séparées par des virgules",
    "contains": "contient ce texte, sans tenir compte de la casse",
    "notcontains": "ne contient pas ce texte, sans tenir compte de la casse",
    "less": "inférieur ou égal à",
    "greater": "supérieur ou égal à",
    "strictly_less": "strictement inférieur à",
    "strictly_greater": "strictement supérieur à",
    "isnull": "sans valeur",
    "isnotnull": "avec une valeur",
    "sort": "trie, les lignes sans valeur à la fin",
    "groupby": "regroupe par valeur",
    "count": "compte les valeurs",
    "avg": "moyenne",
    "min": "minimum",
    "max": "maximum",
    "sum": "somme",
}
# By the type a column has in the published schema: its JSON Schema, and its name in a profile.
_JSON_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "array": {"type": "array"},
    "geopoint": {"type": "array", "items": {"type": "number"}},
}
_PYTHON_TYPES = {"integer": "int", "number": "float", "boolean": "bool", "date": "date", "datetime": "datetime"}
_ANY = {"type": "string"}


def summary(resource: Resource, base: str) -> dict[str, Any]:
    """What `/api/resources/<id>/` answers."""
    file, path = resource.file, resource_path(resource.id)
    return {
        "id": resource.id,
        "title": resource.described.get("title", resource.id),
        "dataset_id": resource.dataset,
        "created_at": resource.published.issued.isoformat(),
        "modified_at": file.modified.isoformat(),
        "url": f"{base}/{resource.csv}",
        "rows": file.rows,
        "sha256": file.sha256,
        "links": [{"href": f"{path}{rel}/", "type": "GET", "rel": rel} for rel in ("profile", "data", "swagger")],
    }


def profile(resource: Resource) -> dict[str, Any]:
    """What `/api/resources/<id>/profile/` answers: the columns and their types, from the published schema."""
    columns = {
        column.name: {
            "python_type": _PYTHON_TYPES.get(column.type, "json" if column.type in ("array", "geopoint") else "string"),
            "format": column.type,
            "title": column.title,
            "description": column.description,
        }
        for column in resource.columns.values()
    }
    known = {"header": list(columns), "total_lines": resource.file.rows, "columns": columns}
    return {"profile": known, "dataset_id": resource.dataset, "deleted_at": None, "indexes": None}


def openapi(resources: Iterable[Resource], territory: Territory, server: str) -> dict[str, Any]:
    """The description of the whole API; the columns of a resource are in the description of that resource."""
    identifier = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "Identifiant de la ressource : le nom de son fichier, sans l'extension.",
        "schema": {"type": "string", "enum": sorted(r.id for r in resources)},
    }
    paths = _paths(resource_path("{id}"), [identifier], [], "Row")
    index = _operation("listResources", "Liste les ressources", {"type": "object"}, [])
    return _document(territory, server, {"/api/resources/": {"get": index}} | paths, {"type": "object"})


def swagger(resource: Resource, territory: Territory, server: str) -> dict[str, Any]:
    """The description of one resource: a parameter for every operator of every column."""
    parameters = [p for column in resource.columns.values() for p in _parameters(column)]
    columns = {
        "name": "columns",
        "in": "query",
        "description": "Colonnes à donner, séparées par des virgules.",
        "schema": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_LIST,
            "items": {"type": "string", "enum": list(resource.columns)},
        },
        "style": "form",
        "explode": False,
    }
    row = {
        "type": "object",
        "properties": {ROW_ID: {"type": "integer"}}
        | {
            c.name: _nullable(_JSON_TYPES.get(c.type, _ANY)) | {"description": c.title}
            for c in resource.columns.values()
        },
    }
    return _document(territory, server, _paths(resource_path(resource.id), [], [columns, *parameters], "Row"), row)


def _document(territory: Territory, server: str, paths: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"API des données ouvertes de {territory.name}",
            "version": "1.0.0",
            "description": (
                "Lecture des tables publiées, dans la forme de l'API tabulaire de data.gouv.fr. Les colonnes et "
                "opérateurs d'une ressource sont décrits à `/api/resources/<id>/swagger/`. Les filtres se cumulent ; "
                "`<colonne>__groupby` et `<colonne>__count|avg|min|max|sum` regroupent. `meta.total` est "
                f"exact jusqu'à {COUNTED_ON} lignes après la page ; au-delà `meta.total_is_exact` est faux, il y en a "
                "plus. "
                f"Limites : {MAX_PAGE_SIZE} lignes par page, {EXPORT_ROWS} par export, {SECONDS:.0f} secondes par "
                "requête ; pour le tout, télécharger le fichier."
            ),
            "contact": {"name": territory.contact.name, "email": territory.contact.email},
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": _SCHEMAS | {"Row": row}},
    }


def _paths(base: str, shared: list[dict[str, Any]], filters: list[dict[str, Any]], row: str) -> dict[str, Any]:
    """The paths of a resource."""
    paging = [
        _number("page", "Page, à partir de 1.", MAX_PAGE, 1),
        _number("page_size", "Lignes par page.", MAX_PAGE_SIZE, PAGE_SIZE),
    ]
    rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{row}"}}
    page = {"$ref": "#/components/schemas/Page"}
    found = {
        base: _operation("getResource", "Ce qu'est la ressource", {"type": "object"}, []),
        f"{base}profile/": _operation("getProfile", "Ses colonnes et leurs types", {"type": "object"}, []),
        f"{base}swagger/": _operation("getDescription", "Sa description OpenAPI", {"type": "object"}, []),
        f"{base}data/": _operation("getData", "Ses lignes, page par page", page, [*paging, *filters]),
        f"{base}data/json/": _operation("exportJson", "Ses lignes, en un tableau JSON", rows, filters),
        f"{base}data/csv/": _operation("exportCsv", "Ses lignes, en CSV", None, filters),
    }
    return {path: {"get": get} | ({"parameters": shared} if shared else {}) for path, get in found.items()}


def _operation(name: str, said: str, schema: dict[str, Any] | None, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    content = {"text/csv": {"schema": _ANY}} if schema is None else {"application/json": {"schema": schema}}
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}}
    return {
        "operationId": name,
        "summary": said,
        "parameters": parameters,
        "responses": {
            "200": {"description": "Voici.", "content": content},
            "304": {"description": "Rien n'a changé depuis la réponse dont l'ETag est donné."},
            "400": {"description": "Un paramètre est inconnu ou n'a pas la forme attendue.", "content": refused},
            "404": {"description": "Ressource inconnue.", "content": refused},
            "409": {"description": "Des paramètres ne vont pas ensemble.", "content": refused},
            "414": {"description": "Requête trop longue.", "content": refused},
            "422": {"description": "La requête demande trop : de temps, de mémoire ou de lignes.", "content": refused},
            "503": {"description": "Trop de requêtes à la fois : réessayer plus tard.", "content": refused},
        },
    }


def _number(name: str, said: str, most: int, default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {"name": name, "in": "query", "description": said, "schema": schema}


def _parameters(column: Column) -> list[dict[str, Any]]:
    """A parameter for each operator of a column."""
    return [_parameter(column, operator) for operator in OPERATORS.get(column.type, ("isnull", "isnotnull"))]


def _parameter(column: Column, operator: str) -> dict[str, Any]:
    name = f"{column.name}__{operator}"
    told: dict[str, Any] = {"name": name, "in": "query", "description": f"{column.title} : {_SAID[operator]}."}
    value = _JSON_TYPES.get(column.type, _ANY)
    if column.type == "string":
        value = value | {"maxLength": MAX_TEXT}
    if operator in WITHOUT_VALUE:
        return told | {"schema": {"type": "string", "enum": ["", "true"]}, "allowEmptyValue": True}
    if operator == "sort":
        return told | {"schema": {"type": "string", "enum": ["asc", "desc"]}}
    if operator in ("in", "notin"):
        many = {"type": "array", "minItems": 1, "maxItems": MAX_LIST, "items": value}
        return told | {"schema": many, "style": "form", "explode": False}
    return told | {"schema": value}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"type": [schema["type"], "null"]}


_SCHEMAS: dict[str, Any] = {
    "Page": {
        "type": "object",
        "required": ["data", "links", "meta"],
        "properties": {
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}},
            "links": {
                "type": "object",
                "required": ["profile", "swagger", "next", "prev"],
                "properties": {
                    "profile": {"type": "string", "format": "uri"},
                    "swagger": {"type": "string", "format": "uri"},
                    "next": {"type": ["string", "null"], "format": "uri"},
                    "prev": {"type": ["string", "null"], "format": "uri"},
                },
            },
            "meta": {
                "type": "object",
                "required": ["page", "page_size", "total", "total_is_exact"],
                "properties": {
                    "page": {"type": "integer"},
                    "page_size": {"type": "integer"},
                    "total": {"type": "integer"},
                    "total_is_exact": {"type": "boolean"},
                },
            },
        },
    },
    "Errors": {
        "type": "object",
        "required": ["errors"],
        "properties": {
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["code", "title", "detail"],
                    "properties": {
                        "code": {"type": "integer"},
                        "title": {"type": "string", "description": "Ce qui ne va pas."},
                        "parameter": {"type": ["string", "null"], "description": "Où : le paramètre en cause."},
                        "detail": {"type": "string", "description": "Que faire."},
                    },
                },
            }
        },
    },
}
