"""Controlled vocabularies the catalogue and the pages share: codes, IRIs and their French labels.

Belongs here: facts of the European and French vocabularies. Does not: anything about one dataset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from quality.standard import FieldType

EU = "http://publications.europa.eu/resource/authority/"  # http on purpose: harvesters compare the string

Theme = Literal[
    "AGRI", "ECON", "EDUC", "ENER", "ENVI", "GOVE", "HEAL", "INTR", "JUST", "OP_DATPRO", "REGI", "SOCI", "TECH", "TRAN"
]
THEMES: dict[Theme, str] = {
    "AGRI": "Agriculture, pêche, sylviculture et alimentation",
    "ECON": "Économie et finances",
    "EDUC": "Éducation, culture et sport",
    "ENER": "Énergie",
    "ENVI": "Environnement",
    "GOVE": "Gouvernement et secteur public",
    "HEAL": "Santé",
    "INTR": "Questions internationales",
    "JUST": "Justice, système juridique et sécurité publique",
    "OP_DATPRO": "Données provisoires",
    "REGI": "Régions et villes",
    "SOCI": "Population et société",
    "TECH": "Science et technologie",
    "TRAN": "Transports",
}

Frequency = Literal["CONT", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "ANNUAL", "IRREG"]
FREQUENCIES: dict[Frequency, str] = {
    "CONT": "en continu",
    "HOURLY": "toutes les heures",
    "DAILY": "tous les jours",
    "WEEKLY": "toutes les semaines",
    "MONTHLY": "tous les mois",
    "QUARTERLY": "tous les trimestres",
    "ANNUAL": "tous les ans",
    "IRREG": "irrégulière",
}

FileFormat = Literal["csv", "parquet", "geojson", "zip"]


class Format(NamedTuple):
    """How one file format is named: in the EU file-type list, at IANA, over HTTP, and to a reader."""

    eu: str
    media_type: str
    content_type: str
    label: str
    use: str


FORMATS: dict[FileFormat, Format] = {
    "csv": Format("CSV", "text/csv", "text/csv; charset=utf-8", "CSV", "tableur et traitements courants"),
    "parquet": Format(
        "PARQUET",
        "application/vnd.apache.parquet",
        "application/vnd.apache.parquet",
        "Parquet",
        "analyse de gros volumes (DuckDB, Python, R)",
    ),
    "geojson": Format("GEOJSON", "application/geo+json", "application/geo+json", "GeoJSON", "cartographie, WGS 84"),
    "zip": Format("ZIP", "application/zip", "application/zip", "ZIP", "toutes les tables dans une seule archive"),
}


# Types of columns as people read them.
FIELD_TYPES: dict[FieldType, str] = {
    "string": "texte",
    "integer": "entier",
    "number": "nombre",
    "boolean": "vrai ou faux",
    "date": "date",
    "datetime": "date et heure (UTC)",
    "array": "liste (JSON)",
    "geopoint": "[longitude,latitude]",
    "geometry": "géométrie (WKT)",
}


class Licence(NamedTuple):
    """A licence as harvesters recognise it, and as people read it."""

    iri: str
    title: str


# data.gouv.fr and the European portal recognise this IRI of the Licence Ouverte, not its SPDX or EU form.
LICENCES: dict[str, Licence] = {
    "etalab-2.0": Licence("https://www.etalab.gouv.fr/licence-ouverte-open-licence", "Licence Ouverte 2.0 (Etalab)"),
}

HVD_CATEGORIES: dict[str, str] = {
    "c_164e0bf5": "Météorologie",
    "c_a9135398": "Entreprises et propriété d'entreprises",
    "c_ac64a52d": "Géospatial",
    "c_b79e35eb": "Mobilité",
    "c_dd313021": "Observation de la terre et environnement",
    "c_e1da4e07": "Statistiques",
}
HVD_LEGISLATION = "http://data.europa.eu/eli/reg_impl/2023/138/oj"
HVD_SCHEME = "http://data.europa.eu/bna/asd487ae75"
PUBLISHER_TYPES = "http://purl.org/adms/publishertype/1.0"
SCHEMES: dict[str, str] = {
    f"{EU}data-theme": "Thèmes des portails européens de données",
    f"{EU}planned-availability": "Disponibilité prévue",
    HVD_SCHEME: "Catégories de données de forte valeur",
    PUBLISHER_TYPES: "Types de diffuseurs",
}


def licence(code: str) -> Licence:
    """The licence of a `territory.yml` code.

    Raises:
        LookupError: when the code is not one the catalogue knows how to name.
    """
    if code not in LICENCES:
        msg = f"territory.yml: licence: {code!r} is not known; expected one of {', '.join(sorted(LICENCES))}"
        raise LookupError(msg)
    return LICENCES[code]
