"""What the current tree offers to readers that are not browsers: its root, its manifest, its tables by resource id.

Belongs here: the id of a resource, finding its files, its columns as the published schema says them. Does not: reading
rows (api/), or building the tree (tree.py).

Looked up at each request and read once per publication: a new tree is seen at once, by a server already running. The
columns come from `schema.json`, not from the cards of the code that runs: what is served is what was published.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from lake.home import publication_dir
from publication.state import STATE_FILE, PublishedDataset, PublishedFile, State, load_state

if TYPE_CHECKING:
    from pathlib import Path


def resource_id(file: PublishedFile) -> str:
    """Id of the table a data file holds: the file's own name without its ending, the same for all of its formats."""
    return file.name.rsplit(".", 1)[0]


def resource_path(identifier: str) -> str:
    """Where the data API answers for one resource, below the portal's address."""
    return f"/api/resources/{identifier}/"


@dataclass(frozen=True)
class Column:
    """One column as the published schema describes it."""

    name: str
    type: str  # of Table Schema
    title: str
    description: str
    true_value: str = "true"
    false_value: str = "false"
    is_free_text: bool = False


@dataclass(frozen=True)
class Resource:
    """One published table: the Parquet file that queries read, and what is said of it."""

    id: str
    dataset: str
    published: PublishedDataset
    file: PublishedFile
    root: Path
    schema: str  # path of its Table Schema in the tree

    @property
    def parquet(self) -> Path:
        """The file to read, in the tree it was found in."""
        return self.root / self.file.path

    @property
    def csv(self) -> str:
        """Path of the CSV file of the same table, or of the Parquet file when the CSV is in several parts."""
        same = [f.path for f in self.published.files if f.format == "csv" and f.table == self.file.table]
        return same[0] if len(same) == 1 else self.file.path

    @cached_property
    def described(self) -> dict[str, Any]:
        """The published Table Schema."""
        found: dict[str, Any] = json.loads((self.root / self.schema).read_bytes())
        return found

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The columns, by name, in the order of the file."""
        keys = {*_names(self.described.get("primaryKey")), *_foreign(self.described)}
        return {field["name"]: _column(field, keys) for field in self.described["fields"]}


@dataclass(frozen=True)
class Tree:
    """One published tree, whole."""

    root: Path
    state: State

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """The tables that can be queried, by id; what is withdrawn has no file any more."""
        found = (
            self._resource(dataset, published, file)
            for dataset, published in sorted(self.state.datasets.items())
            for file in published.files
            if file.format == "parquet" and file.path in self.state.files
        )
        return {resource.id: resource for resource in found}

    def _resource(self, dataset: str, published: PublishedDataset, file: PublishedFile) -> Resource:
        folder, identifier = file.path.rsplit("/", 1)[0], resource_id(file)
        own = f"{folder}/{identifier}.schema.json"
        schema = own if own in self.state.files else f"{folder}/schema.json"
        return Resource(identifier, dataset, published, file, self.root, schema)


def current() -> Tree | None:
    """The tree that is published now; None before the first publication."""
    root = publication_dir().resolve()
    try:
        stamp = (root / STATE_FILE).stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _read(root, stamp)


@lru_cache(maxsize=2)  # the current one, and the one before while requests on it end
def _read(root: Path, _: int) -> Tree:
    return Tree(root, load_state(root))


def _column(field: dict[str, Any], keys: set[str]) -> Column:
    limits, name = field.get("constraints", {}), field["name"]
    fixed = "pattern" in limits or "enum" in limits or name in keys or name.endswith("_id") or name.startswith("id_")
    return Column(
        name=name,
        type=field["type"],
        title=field.get("title", name),
        description=field.get("description", ""),
        true_value=field.get("trueValues", ["true"])[0],
        false_value=field.get("falseValues", ["false"])[0],
        is_free_text=field["type"] == "string" and not fixed,
    )


def _names(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _foreign(schema: dict[str, Any]) -> list[str]:
    return [name for key in schema.get("foreignKeys", []) for name in _names(key["fields"])]
