"""The pages: readable without script or network, complete, and nothing from the data is taken for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from publication.pages import french_number, french_size, french_text
from publication.publish import publish
from publication.state import load_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

    from publication.card import Card
    from quality.audit import Verdict

# elements HTML never closes
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Outline(HTMLParser):
    """Collects what the tests look at, and checks that elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.scripts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "script":
            self.scripts.append(values.get("type"))
        if values.get("src"):
            self.loaded.append(str(values["src"]))
        if tag == "link" and values.get("rel") in ("stylesheet", "icon"):
            self.loaded.append(str(values["href"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def tree(
    home: Path, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Callable[..., dict[str, Verdict]]
) -> Path:
    con.execute("UPDATE gold.lieux_covoiturage SET nom_lieu = '<script>alert(1)</script>' WHERE id_local LIKE '58303%'")
    report = publish(con, list(cards.values()), verdicts(eau_volumes_journaliers="warned"), run_id="r")
    return report.tree


def test_pages_are_sound_light_and_load_only_the_style_sheet(tree: Path) -> None:
    pages = list(tree.rglob("*.html"))
    assert len(pages) == 5
    for page in pages:
        outline = Outline()
        outline.feed(page.read_text(encoding="utf-8"))
        assert outline.open == []
        assert len(outline.ids) == len(set(outline.ids))
        assert set(outline.scripts) <= {"application/ld+json"}
        for loaded in outline.loaded:
            assert loaded == "data:," or (page.parent / loaded).is_file()
        assert page.stat().st_size < 300_000


def test_every_link_inside_the_portal_leads_somewhere(tree: Path) -> None:
    for page in tree.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        for href in re.findall(r'href="([^"]+)"', html):
            if href.startswith("#"):
                assert f'id="{href[1:]}"' in html
            elif not re.match(r"[a-z]+:", href):
                target = page.parent / href
                assert (target / "index.html").is_file() if target.is_dir() else target.is_file(), href


def test_a_dataset_page_shows_files_columns_preview_and_verdict(tree: Path) -> None:
    html = (tree / "datasets/eau-volumes-journaliers/index.html").read_text(encoding="utf-8")
    for file in load_state(tree).datasets["eau-volumes-journaliers"].files:
        assert file.sha256 in html
        assert file.name in html
    assert "m³" in html
    assert "1204.5" in html
    assert "Contrôlé, avec réserves" in html
    assert "Fraîcheur (table t, colonne date)" in html
    assert "Les 2 règles contrôlées" in html
    rules = re.findall(r'<th scope="row">(\w+)</th>\s*<td class="n">(\d+)</td>\s*<td>(?:<span[^>]*>)?([^<]*)', html)
    assert rules == [("Colonnes", "1", "conforme"), ("Fraîcheur", "1", "1 réserve")]


def test_values_are_text_not_markup(tree: Path) -> None:
    html = (tree / "datasets/lieux-covoiturage/index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_french_forms() -> None:
    assert french_number(1234567) == "1\u202f234\u202f567"
    assert french_size(999) == "999\u00a0octets"
    assert french_size(12_350) == "12,3\u00a0Ko"
    assert french_size(999_960) == "1,0\u00a0Mo"
    assert french_text("l'eau : « oui »") == "l\u2019eau\u00a0: «\u00a0oui\u00a0»"
