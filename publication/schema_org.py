"""A dataset as search engines read it: schema.org JSON-LD, by the rules of Google's dataset search.

Belongs here: that document. Does not: the catalogue that portals harvest (catalog.py).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from publication.catalog import coverage
from publication.french import french_unit
from publication.vocabulary import FORMATS, licence

if TYPE_CHECKING:
    from ingestion.territory import Territory
    from publication.facts import Facts
    from publication.state import Entry

MAX_DESCRIPTION = 5000


def linked_data(entry: Entry, territory: Territory, facts: Facts | None) -> str:
    """The document, safe inside a script element."""
    card, published, base = entry.card, entry.published, territory.base
    agency = {
        "@type": "GovernmentOrganization",
        "name": territory.name,
        "legalName": territory.legal_name,
        "url": str(territory.homepage),
        "identifier": territory.siren,
    }
    document: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": card.iri(base),
        "name": card.title,
        "description": card.description[:MAX_DESCRIPTION],
        "url": f"{base}/{card.folder}/",
        "identifier": card.iri(base),
        "version": str(published.version),
        "inLanguage": territory.language,
        "license": licence(territory.licence).iri,
        "keywords": list(card.keywords),
        "isAccessibleForFree": True,
        "datePublished": published.issued.isoformat(),
        "dateModified": published.modified.isoformat(),
        "creator": agency,
        "publisher": agency,
        "includedInDataCatalog": {"@type": "DataCatalog", "name": f"Données ouvertes de {territory.name}", "url": base},
        "spatialCoverage": {
            "@type": "Place",
            "name": territory.name,
            "geo": {"@type": "GeoShape", "box": _box(territory)},
        },
        "variableMeasured": _variables(entry),
        "distribution": [
            {
                "@type": "DataDownload",
                "name": file.name,
                "encodingFormat": FORMATS[file.format].media_type,
                "contentUrl": f"{base}/{file.path}",
                "contentSize": f"{file.bytes} B",
                "sha256": file.sha256,
                "dateModified": file.modified.isoformat(),
            }
            for file in published.files
        ],
    }
    if published.days is not None:
        document["temporalCoverage"] = "/".join(day.isoformat() for day in published.days)
    if facts is not None and facts.picture is not None:
        document["image"] = f"{base}/{facts.picture.path}"
    return json.dumps(document, ensure_ascii=False, indent=1).replace("<", "\\u003c")


def _variables(entry: Entry) -> list[dict[str, str]]:
    """Each column once, though several tables have it."""
    found: dict[str, dict[str, str]] = {}
    for part in entry.card.tables:
        for field in entry.standard.table(part.name).fields:
            variable = {"@type": "PropertyValue", "name": field.name, "description": field.title}
            if field.unit is not None:
                variable |= {"unitText": french_unit(field.unit)}
            found.setdefault(field.name, variable)
    return list(found.values())


def _box(territory: Territory) -> str:
    """South, west, north, east of the territory, as schema.org orders them."""
    corners = [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", coverage(territory))]
    longitudes, latitudes = zip(*corners, strict=True)
    return f"{min(latitudes)} {min(longitudes)} {max(latitudes)} {max(longitudes)}"
