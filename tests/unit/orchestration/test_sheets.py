"""What contracts say to people: a sheet per source, the index and the register, complete and after the contracts."""

from __future__ import annotations

import re

import pytest

from ingestion.contract import SourceContract, load_contracts
from lake.home import ROOT
from orchestration import sheets
from orchestration.generate import files

SOURCES = sheets.sources()
PERSONAL = {source: tables for source, tables in SOURCES.items() if tables[0].personal}
every_source = pytest.mark.parametrize("tables", SOURCES.values(), ids=SOURCES)


def cells(page: str) -> list[list[str]]:
    """Rows of all tables of a page; a bar inside a cell is escaped."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def facts(page: str) -> dict[str, str]:
    return {row[0]: row[1] for row in cells(page) if len(row) == 2}


def test_every_table_of_every_source_is_somewhere() -> None:
    assert [c.bronze for tables in SOURCES.values() for c in tables] == [c.bronze for c in load_contracts()]
    assert len(SOURCES) >= 37


def test_every_source_has_a_sheet_an_entry_and_nothing_else_has() -> None:
    pages = {path.stem: text for path, text in files().items() if path.parent == ROOT / "docs" / "sources"}
    assert set(pages) == {*SOURCES, "index", "registre-traitements"}
    on_disk = {path.stem for path in (ROOT / "docs" / "sources").glob("*.md")}
    assert on_disk == set(pages), "a sheet of a source that is no more"
    listed = re.findall(r"^\| \[.+?\]\((\w+)\.md\)", pages["index"], re.MULTILINE)
    assert sorted(listed) == sorted(SOURCES)


def test_the_index_is_by_department() -> None:
    by_department: dict[str, set[str]] = {}
    for block in sheets.index().split("\n## ")[1:]:
        department, _, rest = block.partition("\n")
        by_department[department] = set(re.findall(r"\((\w+)\.md\)", rest))
    expected: dict[str, set[str]] = {}
    for source, tables in SOURCES.items():
        expected.setdefault(tables[0].department, set()).add(source)
    assert by_department == expected


@every_source
def test_a_sheet_says_what_the_contract_says(tables: tuple[SourceContract, ...]) -> None:
    c = tables[0]
    page = sheets.sheet(tables)
    told = facts(page)
    assert page.startswith(f"# {c.title}\n")
    assert (told["Plateforme"], told["Direction"], told["Fournisseur"]) == (c.platform, c.department, c.supplier)
    assert (told["Base légale"], told["Propriété des données"]) == (c.legal.basis, c.legal.ownership)
    assert told["Fin du contrat"] == (f"{c.contract_end:%d/%m/%Y}" if c.contract_end else "sans terme")
    price = re.sub(r"\D", "", told["Coût annuel"])
    assert int(price or 0) == round(c.cost_eur_year or 0)
    assert "None" not in page
    assert told["Données personnelles"] == (c.personal.categories if c.personal else "aucune")
    assert (f"landing/{c.id}/" in told["Arrivée"]) == (c.connector is None)


@every_source
def test_a_sheet_lists_every_table_and_column(tables: tuple[SourceContract, ...]) -> None:
    page = sheets.sheet(tables)
    for c, block in zip(tables, page.split("\n## Table ")[1:], strict=True):
        assert block.startswith(f"`bronze.{c.bronze}`")
        listed = [(row[0].strip("`"), row[1], row[2], row[3]) for row in cells(block) if len(row) == 4][1:]
        assert listed == [(k.name, k.type, k.unit or "", "oui" if k.required else "") for k in c.columns]
        assert facts(block)["Fichiers"].strip("`") == c.files


def test_the_register_has_every_personal_source_and_column_with_its_treatment() -> None:
    blocks = dict(block.split("\n", 1) for block in sheets.register().split("\n## ")[1:])
    assert set(blocks) == {tables[0].title for tables in PERSONAL.values()}
    assert len(PERSONAL) >= 4
    for source, tables in PERSONAL.items():
        c, told = tables[0], facts(blocks[tables[0].title])
        assert c.personal is not None
        assert told["Source"].startswith(f"[{source}]({source}.md)")
        assert (told["Finalité"], told["Personnes concernées"]) == (c.personal.purpose, c.personal.subjects)
        assert (told["Destinataires"], told["Mesures de sécurité"]) == (c.personal.recipients, c.personal.safeguards)
        fields = told["Champs et traitement avant stockage"]
        columns = [k for t in tables for k in t.columns if k.personal]
        assert re.findall(r"`(\w+)`", fields) == [k.name for k in columns]
        for k in columns:
            assert f"`{k.name}` : {sheets.treatment(k)}" in fields
        assert (fields == "aucun champ en clair à l'arrivée") == (not columns)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"personal": "drop"}, "supprimé"),
        ({"personal": "pseudonymise", "rotate": "day"}, "pseudonyme (HMAC-SHA256), clé qui change : chaque jour"),
        ({"personal": "pseudonymise", "rotate": "never"}, "pseudonyme (HMAC-SHA256), clé qui change : jamais"),
        ({"personal": "coarsen", "coarsen": "prefix:5"}, "réduit à ses 5 premiers caractères"),
        ({"personal": "coarsen", "coarsen": "hour", "type": "timestamp"}, "arrondi à l'heure"),
        ({"personal": "coarsen", "coarsen": "year", "type": "timestamp"}, "arrondi à l'année"),
        ({"personal": "coarsen", "coarsen": 2, "type": "number"}, "arrondi à 2 décimale(s)"),
    ],
)
def test_a_treatment_in_words(declared: dict[str, str], words: str) -> None:
    from ingestion.contract import Column

    column = Column.model_validate({"name": "c", "from": "c", "type": "string", "description": "", **declared})
    assert sheets.treatment(column) == words


def test_each_table_states_one_rule_for_late_and_repeated_rows() -> None:
    rules = {c.bronze: sheets.revision_rule(c) for c in load_contracts()}
    for c in load_contracts():
        assert all(f"`{name}`" in rules[c.bronze] for name in c.key), c.bronze
    assert "le plus récent fait foi" in rules["urban_assets__asset"]
    assert "la dernière fait foi" in rules["hydrometry__observation"]
    assert "est un doublon" in rules["lorawan_uplinks__uplink"]


def test_a_bar_in_a_declaration_does_not_break_a_table() -> None:
    (row,) = cells(sheets._row("^(a|b)$", "two\nlines"))
    assert row == ["^(a|b)$", "two lines"]
