"""What the declarations promise about people, and about places that are better not known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingestion.contract import SourceContract, load_contracts
from publication.card import Card, load_cards
from quality.standard import load_standard

ROOT = Path(__file__).resolve().parents[2]
# Numbers that lead to a customer, a person or a device in somebody's home.
PERSONAL = re.compile(
    r"^(prm|pdl|pce|meter_id|user_key|dev_eui|email|mail|courriel|telephone|phone|nom_abonne|customer.*|abonne.*)$"
)
PLACES = re.compile(
    r"^(longitude|latitude|x_?long|y_?lat|lon|lat|geometry|geo_?point.*|adresse|address|ad_lieu)$", re.IGNORECASE
)


@pytest.mark.parametrize("contract", load_contracts(), ids=lambda contract: contract.bronze)
def test_every_source_says_on_what_ground_and_whose(contract: SourceContract) -> None:
    legal = contract.legal
    assert min(len(legal.basis), len(legal.ownership), len(legal.licence)) > 5
    assert contract.retention_months > 0
    if contract.personal:
        assert min(len(text) for text in contract.personal.model_dump().values()) > 5


@pytest.mark.parametrize("card", load_cards(), ids=lambda card: card.id)
def test_no_personal_number_is_published(card: Card) -> None:
    names = [field.name for table in load_standard(card.standard).tables for field in table.fields]
    assert names
    assert [name for name in names if PERSONAL.match(name)] == []


def test_drinking_water_works_have_no_place() -> None:
    (card,) = (c for c in load_cards() if c.id == "eau-volumes-journaliers")
    fields = [f.name for table in load_standard(card.standard).tables for f in table.fields]
    assert [name for name in fields if PLACES.match(name)] == []
    assert all(table.coordinates is None for table in card.tables)


def test_delivery_points_leave_only_hashed() -> None:
    """The number is read in one expression of the model, inside a hash."""
    sql = (ROOT / "dbt_project/models/opendata/consommation_energie_batiments.sql").read_text("utf-8")
    code = re.sub(r"--.*", "", sql)
    assert re.findall(r"(\w+\()?thing\.native_id", code) == ["sha256("]
    assert "prm" not in code


def test_large_meters_are_counted_before_they_leave() -> None:
    """Eleven at least, so that no customer can be recognised; the card says so and the model does it."""
    sql = (ROOT / "dbt_project/models/opendata/eau_volumes_journaliers.sql").read_text("utf-8")
    assert re.search(r"having count\(distinct thing_id\) >= 11\b", sql)
    (card,) = (c for c in load_cards() if c.id == "eau-volumes-journaliers")
    assert "onze" in card.methodology


def test_no_address_of_a_person_is_in_the_repository() -> None:
    """Addresses are functions of the authority, in the domain kept for examples."""
    folders = ("ingestion", "publication", "orchestration", "quality", "simulation", "dbt_project", "docs", "lake")
    files = [
        p
        for folder in folders
        for p in (ROOT / folder).rglob("*")
        if p.suffix in {".py", ".yml", ".md", ".sql", ".jinja"}
    ]
    files += [ROOT / name for name in ("territory.yml", "pyproject.toml", "README.md") if (ROOT / name).is_file()]
    assert len(files) > 100
    found = {
        (path.name, address)
        for path in files
        for address in re.findall(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", path.read_text("utf-8"))
        if not address.endswith(".example")
    }
    assert found == set()
