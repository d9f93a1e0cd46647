"""National schemas that are JSON Schema, held against files without asking the network for what they refer to.

Belongs here: the validator. Does not: which file follows which schema.
"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

# What RFC 7946 asks of a feature collection, as far as the national schema leans on it.
COLLECTION: dict[str, Any] = {
    "$id": "https://geojson.org/schema/FeatureCollection.json",
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": {"required": ["type", "properties", "geometry"]}},
    },
}


def geojson_validator(schema: dict[str, Any]) -> Draft7Validator:
    """The validator of a schema that refers to the one of feature collections."""
    found = Resource.from_contents(COLLECTION, default_specification=DRAFT7)
    registry: Registry[Any] = Registry().with_resource(COLLECTION["$id"], found)
    return Draft7Validator(schema, registry=registry)
