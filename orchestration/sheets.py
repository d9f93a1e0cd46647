"""What contracts say, for people: one sheet per source and the register of processing activities, in French.

Belongs here: the words around what contracts declare. Does not: anything that is not in a contract or territory.yml; a
test fails when a sheet on disk is not what this module writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ingestion.contract import SourceContract, load_contracts
from ingestion.territory import load_territory

if TYPE_CHECKING:
    from ingestion.contract import Column

HEADER = "Page produite par `make generate` à partir des contrats de source : modifier le contrat, pas cette page."

INTEGRATION = {
    "keep": "la plateforme reste en service",
    "keep_and_push_back": "la plateforme reste en service et reçoit nos résultats en retour",
    "replace": "la plateforme est remplacée, puis éteinte",
}
CADENCE = {
    "hourly": "toutes les heures",
    "daily": "tous les jours",
    "weekly": "toutes les semaines",
    "monthly": "tous les mois",
    "yearly": "tous les ans",
}
CRITICALITY = {"low": "faible", "medium": "moyenne", "high": "haute"}
DRIFT = {
    "keep": "une colonne inconnue est signalée et gardée dans `extra`",
    "mask": "une colonne inconnue est signalée par son nom, sa valeur n'est pas gardée",
    "stop": "un fichier qui porte une colonne inconnue est mis de côté",
}
CONNECTOR = {"http": "appels HTTP", "sql": "requêtes SQL", "mqtt": "abonnement MQTT", "sftp": "lecture SFTP"}
ROTATION = {"day": "chaque jour", "month": "chaque mois", "year": "chaque année", "never": "jamais"}


def sources() -> dict[str, tuple[SourceContract, ...]]:
    """Tables of each source, by source id."""
    found: dict[str, tuple[SourceContract, ...]] = {}
    for contract in load_contracts():
        found[contract.id] = (*found.get(contract.id, ()), contract)
    return found


def index() -> str:
    """`docs/sources/index.md`: every source by department."""
    by_department: dict[str, list[SourceContract]] = {}
    for tables in sources().values():
        by_department.setdefault(tables[0].department, []).append(tables[0])
    lines = ["# Sources du territoire", "", HEADER, ""]
    lines += ["Voir aussi le [registre des activités de traitement](registre-traitements.md).", ""]
    for department, own in sorted(by_department.items()):
        lines += [f"## {department}", "", "| source | plateforme | fournisseur | fréquence |", "|---|---|---|---|"]
        lines += [
            _row(f"[{c.title}]({c.id}.md)", c.platform, c.supplier, CADENCE[c.cadence])
            for c in sorted(own, key=lambda c: c.title)
        ]
        lines.append("")
    return _page(lines)


def sheet(tables: Sequence[SourceContract]) -> str:
    """`docs/sources/<source>.md`: the use-case sheet of one source."""
    c = tables[0]
    lines = [f"# {c.title}", "", HEADER, "", c.description, "", "## La plateforme", "", "| | |", "|---|---|"]
    lines += [_row(name, value) for name, value in _facts(c)]
    lines += ["", "## Base légale et droits", "", "| | |", "|---|---|"]
    lines += [_row(name, value) for name, value in _legal(c)]
    if personal := [(t, column) for t in tables for column in t.columns if column.personal]:
        lines += ["", "## Champs personnels", "", "| champ | table | traitement avant stockage |", "|---|---|---|"]
        lines += [_row(f"`{column.name}`", t.table, treatment(column)) for t, column in personal]
    for table in tables:
        lines += ["", *_table(table)]
    return _page(lines)


def _facts(c: SourceContract) -> Iterable[tuple[str, str]]:
    yield "Plateforme", c.platform
    yield "Direction", c.department
    yield "Fournisseur", c.supplier
    yield "Contact", c.owner_email
    yield "Intégration", INTEGRATION[c.integration]
    yield "Fin du contrat", c.contract_end.strftime("%d/%m/%Y") if c.contract_end else "sans terme"
    yield "Coût annuel", f"{c.cost_eur_year:,.0f} €".replace(",", " ") if c.cost_eur_year else "aucun"
    yield "Fréquence déclarée", CADENCE[c.cadence]
    yield "Criticité", CRITICALITY[c.criticality]
    yield "Arrivée", CONNECTOR[c.connector.kind] if c.connector else f"dépôt de fichiers dans `landing/{c.id}/`"
    yield "Dérive du format", DRIFT[c.drift]


def _legal(c: SourceContract) -> Iterable[tuple[str, str]]:
    yield "Base légale", c.legal.basis
    yield "Propriété des données", c.legal.ownership
    yield "Licence de diffusion", c.legal.licence
    yield "Confidentiel", "oui : rien de ce qui en dérive n'est publié" if c.legal.confidential else "non"
    yield "Réutilisation", "permise" if c.legal.reuse else "interdite : rien de ce qui en dérive n'est publié"
    yield "Données personnelles", c.personal.categories if c.personal else "aucune"
    yield "Conservation des lignes brutes", _months(c.retention_months)


def _months(count: int) -> str:
    years, months = divmod(count, 12)
    parts = [f"{years} an{'s' if years > 1 else ''}"] if years else []
    parts += [f"{months} mois"] if months else []
    return " et ".join(parts)


def treatment(column: Column) -> str:
    """What is done with a personal field, in words."""
    if column.personal == "drop":
        return "supprimé"
    if column.personal == "coarsen":
        how = str(column.coarsen)
        words = {"hour": "à l'heure", "day": "au jour", "month": "au mois", "year": "à l'année"}
        if how.startswith("prefix:"):
            return f"réduit à ses {how.removeprefix('prefix:')} premiers caractères"
        return f"arrondi {words[how]}" if how in words else f"arrondi à {how} décimale(s)"
    return f"pseudonyme (HMAC-SHA256), clé qui change : {ROTATION[column.rotate]}"


def revision_rule(c: SourceContract) -> str:
    """The one rule for late, repeated and corrected rows of a table, in words."""
    key = ", ".join(f"`{name}`" for name in c.key)
    if c.mode == "snapshot":
        return f"chaque fichier dit tout ; le plus récent fait foi, les précédents sont gardés (clé : {key})"
    if c.revision_columns:
        return (
            f"une ligne de même clé ({key}) qui diffère est une correction : la dernière fait foi, toutes sont gardées"
        )
    return f"une ligne de même clé ({key}) est un doublon, quoi qu'elle dise d'autre"


def _table(c: SourceContract) -> list[str]:
    lines = [f"## Table `bronze.{c.bronze}`", "", "| | |", "|---|---|"]
    lines += [
        _row("Fichiers", f"`{c.files}`"),
        _row("Format", ", ".join(c.readers)),
        _row("Retards, doublons, corrections", revision_rule(c)),
    ]
    if event := c.event_time:
        zone = f"heure locale de {event.zone}" if event.zone else "instant avec décalage horaire"
        lines.append(_row("Date de l'événement", f"`{event.column}` ({zone}), gardée en UTC"))
    if c.telemetry:
        observed = ", ".join(dict.fromkeys(r.property for r in c.telemetry.results))
        lines.append(_row("Grandeurs observées", observed))
    lines += ["", "| champ | type | unité | obligatoire |", "|---|---|---|---|"]
    lines += [
        _row(f"`{column.name}`", column.type, column.unit or "", "oui" if column.required else "")
        for column in c.columns
    ]
    return lines


def register() -> str:
    """`docs/sources/registre-traitements.md`: GDPR article 30, from the sources that hold personal data."""
    territory = load_territory()
    lines = [
        "# Registre des activités de traitement",
        "",
        HEADER,
        "",
        f"Responsable du traitement : {territory.legal_name}.",
        "Article 30 du RGPD : une activité par source qui contient, à son arrivée, des données personnelles.",
        "",
    ]
    for tables in sources().values():
        c = tables[0]
        if c.personal is None:
            continue
        columns = [column for t in tables for column in t.columns if column.personal]
        fields = "; ".join(f"`{column.name}` : {treatment(column)}" for column in columns)
        lines += [f"## {c.title}", "", "| | |", "|---|---|"]
        lines += [
            _row("Source", f"[{c.id}]({c.id}.md), {c.platform}"),
            _row("Service chargé", f"{c.department} ({c.owner_email})"),
            _row("Finalité", c.personal.purpose),
            _row("Base légale", c.legal.basis),
            _row("Personnes concernées", c.personal.subjects),
            _row("Catégories de données", c.personal.categories),
            _row("Destinataires", c.personal.recipients),
            _row("Transferts hors de l'Union européenne", "aucun"),
            _row("Durée de conservation", _months(c.retention_months)),
            _row("Mesures de sécurité", c.personal.safeguards),
            _row("Champs et traitement avant stockage", fields or "aucun champ en clair à l'arrivée"),
        ]
        lines.append("")
    return _page(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _page(lines: Sequence[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"
