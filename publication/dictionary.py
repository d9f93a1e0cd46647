"""The data dictionary of a dataset, `dictionnaire.csv`: a line for each column of each table, for people.

Belongs here: the standard said in French words, and what the files have beyond it. Does not: the machine's form of the
same (package.py), or the columns themselves (quality/standard.py).
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from publication import geo
from publication.export import is_free_text
from publication.vocabulary import FIELD_TYPES, FORMATS

if TYPE_CHECKING:
    from publication.state import Entry
    from quality.standard import Field, Standard, TableStandard

FILE = "dictionnaire.csv"
_COLUMNS = {
    "table": "Table du jeu de données",
    "colonne": "Nom de la colonne dans les fichiers",
    "titre": "Intitulé de la colonne",
    "type": "Nature des valeurs",
    "unite": "Unité des valeurs, code UCUM",
    "obligatoire": "« oui » si la colonne est toujours renseignée",
    "contraintes": "Ce que les valeurs respectent",
    "description": "Ce que dit la colonne",
    "exemple": "Une valeur possible",
    "formats": "Formats qui ont cette colonne",
    "origine": "Norme ou schéma d'où vient la colonne",
    "remarque": "Ce qu'il faut savoir pour lire le fichier",
}
_NEUTRALISED = (
    "Dans le CSV, un texte qui commence par =, @, + ou - est précédé d'une apostrophe, à retirer ; les nombres et les "
    "numéros de téléphone ne le sont pas."
)
_ADDED = f"Ajoutée au Parquet selon GeoParquet {geo.VERSION}, hors de la norme"


def render(entry: Entry) -> bytes:
    """The dictionary's bytes: the same for the same card, standard and formats."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for part in entry.card.tables:
        table = entry.standard.table(part.name)
        formats = [
            f for f in FORMATS if any(file.table == part.name and file.format == f for file in entry.published.files)
        ]
        writer.writerows(_row(field, table, entry.standard, formats) for field in table.fields)
        if "geojson" in formats:
            writer.writerows(
                {"table": table.name, "formats": "Parquet", "origine": _ADDED} | row for row in _GEOPARQUET
            )
    return out.getvalue().encode()


def schema() -> dict[str, Any]:
    """Table Schema of the dictionary itself."""
    fields = [{"name": name, "type": "string", "title": title} for name, title in _COLUMNS.items()]
    return {"fields": fields, "primaryKey": ["table", "colonne"], "missingValues": [""]}


_GEOPARQUET = (
    {
        "colonne": geo.GEOMETRY,
        "titre": "Géométrie",
        "type": "binaire (WKB)",
        "description": "Le lieu de la ligne, WGS 84, longitude puis latitude, tiré des colonnes de la norme.",
        "remarque": "Lue comme une géométrie par DuckDB, GeoPandas, QGIS ou GDAL.",
    },
    {
        "colonne": geo.BBOX,
        "titre": "Emprise",
        "type": "structure (xmin, ymin, xmax, ymax)",
        "unite": "deg",
        "description": "Le rectangle qui contient la géométrie.",
        "remarque": "Permet de ne lire du fichier que les lignes d'une emprise.",
    },
)


def _row(field: Field, table: TableStandard, standard: Standard, formats: list[Any]) -> dict[str, str]:
    told = [f for f in formats if f != "geojson" or field.type != "geometry"]
    return {
        "table": table.name,
        "colonne": field.name,
        "titre": field.title,
        "type": FIELD_TYPES[field.type],
        "unite": field.unit or "",
        "obligatoire": "oui" if field.required else "non",
        "contraintes": " ; ".join(_constraints(field, table)),
        "description": " ".join(field.description.split()),
        "exemple": field.example or "",
        "formats": ", ".join(FORMATS[f].label for f in told),
        "origine": _origin(standard, table),
        "remarque": _NEUTRALISED if is_free_text(field, table) else "",
    }


def _origin(standard: Standard, table: TableStandard) -> str:
    if (iri := standard.schema_iri(table.name)) is not None:
        return f"Norme nationale {standard.title}, version {standard.version} : {iri}"
    return f"Schéma du territoire {standard.title}, version {standard.version}, faute de norme nationale"


def _constraints(field: Field, table: TableStandard) -> list[str]:
    """What the values of a column keep to, in words."""
    said: list[str] = []
    if field.name in table.primary_key:
        others = [name for name in table.primary_key if name != field.name]
        said.append(f"clé de la table, avec {', '.join(others)}" if others else "clé de la table")
    pairs = [(key.table, pair) for key in table.foreign_keys for pair in zip(key.columns, key.references, strict=True)]
    said += [f"renvoie à {target} de la table {other}" for other, (column, target) in pairs if column == field.name]
    if field.unique:
        said.append("valeurs toutes différentes")
    if field.enum:
        said.append(f"une de ces valeurs : {' | '.join(map(str, field.enum))}")
    if field.type == "boolean":
        said.append(f"dans le CSV, {field.true_value} ou {field.false_value}")
    bounds = [("au moins", field.minimum), ("au plus", field.maximum)]
    said += [f"{words} {bound}" for words, bound in bounds if bound is not None]
    lengths = [("au moins", field.min_length), ("au plus", field.max_length)]
    said += [f"{words} {length} caractères" for words, length in lengths if length is not None]
    if field.pattern:
        said.append(f"forme : {field.pattern}")
    if field.format:
        said.append(f"forme : {field.format}")
    return said
