"""The pages and what goes with them: sound, light, complete, without anything from elsewhere; nothing is markup."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.territory import load_territory
from lake import ops
from publication.french import french_number, french_size, french_text
from publication.history import Memory
from publication.pages import Portal, fold, render
from publication.publish import publish
from publication.state import Entry, load_state
from quality.standard import load_standard

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


def test_pages_are_sound_light_and_load_nothing_from_elsewhere(tree: Path) -> None:
    pages = list(tree.rglob("*.html"))
    datasets = {path.parent.name for path in pages if path.parent.parent.name == "datasets"}
    assert datasets == set(load_state(tree).datasets)
    assert {str(p.relative_to(tree)) for p in pages} - {f"datasets/{name}/index.html" for name in datasets} == {
        "index.html",
        "404.html",
        "etat/index.html",
        "accessibilite/index.html",
        "mentions-legales/index.html",
    }
    for page in pages:
        outline = Outline()
        outline.feed(page.read_text(encoding="utf-8"))
        assert outline.open == []
        assert len(outline.ids) == len(set(outline.ids))
        assert set(outline.scripts) <= {None, "application/ld+json"}
        loaded = [at(tree, page, address) for address in outline.loaded if address != "data:,"]
        assert sum(path.stat().st_size for path in {page, *loaded}) < 300_000
    assert (tree / "search.json").stat().st_size < 100_000


def at(tree: Path, page: Path, address: str) -> Path:
    """The file of the tree an address on a page leads to."""
    target = tree / address[1:] if address.startswith("/") else page.parent / address
    return target / "index.html" if target.is_dir() else target


def test_every_link_inside_the_portal_leads_somewhere(tree: Path) -> None:
    for page in tree.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        for href in re.findall(r'(?:href|src)="([^"]+)"', html):
            if href.startswith("#"):
                assert f'id="{href[1:]}"' in html
            elif not re.match(r"[a-z]+:", href):
                assert at(tree, page, href).is_file(), href


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


# what programs read ---------------------------------------------------------------------------------------------------

ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


def documents(tree: Path) -> dict[str, dict[str, Any]]:
    """The schema.org document of each dataset's page."""
    found = {}
    for name in load_state(tree).datasets:
        html = (tree / "datasets" / name / "index.html").read_text(encoding="utf-8")
        (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html, re.DOTALL)
        found[name] = json.loads(text)
    return found


def test_every_dataset_meets_the_rules_of_dataset_search(tree: Path, cards: dict[str, Card]) -> None:
    state = load_state(tree)
    for name, document in documents(tree).items():
        assert (document["@type"], document["name"]) == ("Dataset", cards[name].title)
        assert 50 <= len(document["description"]) <= 5000
        assert document["license"].startswith("https://")
        assert document["creator"]["name"]
        assert document["isAccessibleForFree"] is True
        assert document["version"] == str(state.datasets[name].version)
        assert datetime.fromisoformat(document["dateModified"]) == state.datasets[name].modified
        south, west, north, east = map(float, document["spatialCoverage"]["geo"]["box"].split())
        assert 46 < south < north < 48
        assert 2 < west < east < 4
        files = {file.path: file for file in state.datasets[name].files}
        for part in document["distribution"]:
            path = part["contentUrl"].split(".example/", 1)[1]
            assert part["sha256"] == files.pop(path).sha256
            assert "/" in part["encodingFormat"]
        assert not files
        columns = {f.name for t in cards[name].tables for f in load_standard(cards[name].standard).table(t.name).fields}
        assert {variable["name"] for variable in document["variableMeasured"]} == columns
    volumes = documents(tree)["eau-volumes-journaliers"]
    assert volumes["temporalCoverage"] == "2026-03-01/2026-03-05"
    assert {"@type": "PropertyValue", "name": "volume_m3", "description": "Volume", "unitText": "m³"} in volumes[
        "variableMeasured"
    ]


def test_all_descriptions_of_cards_fit_dataset_search(cards: dict[str, Card]) -> None:
    assert {name for name, card in cards.items() if not 50 <= len(card.description) <= 5000} == set()


def test_the_feed_has_every_dataset_under_an_id_that_stays(tree: Path) -> None:
    state = load_state(tree)
    feed = ET.parse(tree / "atom.xml").getroot()
    assert feed.tag == f"{ATOM}feed"
    for wanted in ("id", "title", "updated", "author"):
        assert feed.find(f"{ATOM}{wanted}") is not None
    assert {link.get("rel") for link in feed.findall(f"{ATOM}link")} == {"self", "alternate"}
    updated = {}
    for entry in feed.findall(f"{ATOM}entry"):
        name = str(entry.findtext(f"{ATOM}id")).rsplit("/id/dataset/", 1)[1]
        assert entry.findtext(f"{ATOM}title")
        assert entry.findtext(f"{ATOM}summary")
        updated[name] = datetime.fromisoformat(str(entry.findtext(f"{ATOM}updated")))
    assert updated == {name: published.modified for name, published in state.datasets.items()}
    assert datetime.fromisoformat(str(feed.findtext(f"{ATOM}updated"))) == max(updated.values())


def test_the_sitemap_has_every_page_and_robots_names_it(tree: Path) -> None:
    places = [str(place.text) for place in ET.parse(tree / "sitemap.xml").getroot().iter(f"{SITEMAP}loc")]
    pages = {str(path.relative_to(tree).parent) for path in tree.rglob("index.html")}
    base = min(places, key=len)
    assert sorted(place.removeprefix(base).rstrip("/") or "." for place in places) == sorted(pages)
    assert f"Sitemap: {base}sitemap.xml" in (tree / "robots.txt").read_text()


# history, state, pictures ---------------------------------------------------------------------------------------------


def test_a_refusal_is_told_on_the_page_in_the_state_and_in_the_history(
    tree: Path, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Callable[..., dict[str, Verdict]]
) -> None:
    first, refused, good = (datetime(2030, 1, day, 5, tzinfo=UTC) for day in (1, 2, 3))
    audited = [(first, "warned", "r"), (refused, "failed", "x"), (good, "failed", "y")]
    ops.record("audit", [audit(time, verdict, run) for time, verdict, run in audited])
    publish(con, list(cards.values()), verdicts(eau_volumes_journaliers="failed"), run_id="y", now=good)
    home = tree.parent.parent / "publication"
    html = (home / "datasets/eau-volumes-journaliers/index.html").read_text(encoding="utf-8")
    assert "Dernière version validée conservée" in html
    history = html[html.index('id="versions"') : html.index('id="methode"')]
    assert history.count("<li>") == 2
    assert re.search(r"Mise à jour refusée</span> depuis le 2\sjanvier\s2030 à 06\sh\s00 \(en cours\)", history)
    assert "<strong>Version 1</strong>" in history
    assert "10\xa0lignes" in history
    assert "Contrôlé, avec réserves" in history
    state = (home / "etat/index.html").read_text(encoding="utf-8")
    row = state[state.index("eau-volumes-journaliers/") :].split("</tr>")[0]
    assert re.search(r"mise à jour refusée</span> <span class=\"quiet\">depuis le 3\sjanvier\s2030", row)
    assert state.count('data-label="Fréquence"') == len(load_state(home).datasets)
    waiting = set(cards) - set(load_state(home).datasets)
    assert all(cards[name].title.replace("'", "\u2019") in state for name in waiting)


def audit(time: datetime, verdict: str, run_id: str) -> dict[str, Any]:
    """A row of ops.audit."""
    told = {"dataset": "eau-volumes-journaliers", "audit_id": run_id, "audited_time": time, "verdict": verdict}
    return told | {"rows": 10, "table_rows": "{}", "delta_versions": "{}", "checks": "[]", "run_id": run_id}


def test_a_picture_is_drawn_for_light_and_dark_and_said_in_words(tree: Path) -> None:
    for name, told in {
        "eau-volumes-journaliers": "Du 1er\xa0mars\xa02026 au 5\xa0mars\xa02026\xa0: distribution, de 2\u202f409 à 2\u202f417\xa0m³.",
        "lieux-covoiturage": "Carte des communes avec 3\xa0points.",
    }.items():
        html = (tree / f"datasets/{name}/index.html").read_text(encoding="utf-8")
        assert html.count(told) == 2  # beside the picture, and in its place for who does not see it
        svg = (tree / f"datasets/{name}/{name}.svg").read_text(encoding="utf-8")
        assert ET.fromstring(svg).get("role") == "img"
        assert "prefers-color-scheme:dark" in svg
        assert set(re.findall(r'(?:fill|stroke)="(#[^"]+)"', svg)) == set()  # only colours that follow the reader's


def test_only_a_dataset_that_changed_is_drawn_again(
    tree: Path, con: duckdb.DuckDBPyConnection, cards: dict[str, Card], verdicts: Callable[..., dict[str, Verdict]]
) -> None:
    home = tree.parent.parent / "publication"
    pictures = {path.name: (path.stat().st_ino, path.read_bytes()) for path in tree.rglob("*.svg")}
    con.execute("UPDATE gold.eau_volumes_journaliers SET volume_m3 = volume_m3 * 2 WHERE date = '2026-03-03'")
    publish(con, list(cards.values()), verdicts(), run_id="again")
    after = {path.name: (path.stat().st_ino, path.read_bytes()) for path in home.rglob("*.svg")}
    assert {name for name in after if after[name] != pictures[name]} == {"eau-volumes-journaliers.svg"}
    con.execute("UPDATE gold.eau_volumes_journaliers SET volume_m3 = volume_m3 / 2 WHERE date = '2026-03-03'")
    publish(con, list(cards.values()), verdicts(), run_id="back")
    back = {path.name: path.read_bytes() for path in home.rglob("*.svg")}
    assert back == {name: content for name, (_, content) in pictures.items()}


def test_the_search_index_knows_words_without_accents_communes_and_formats(tree: Path) -> None:
    rows = {row["id"]: row for row in json.loads((tree / "search.json").read_text(encoding="utf-8"))}
    assert rows.keys() == load_state(tree).datasets.keys()
    assert "energie" in rows["consommation-energie-batiments"]["words"].split()
    assert rows["lieux-covoiturage"]["communes"] == ["58194", "58303"]
    assert rows["lieux-covoiturage"]["formats"] == ["csv", "parquet", "geojson"]
    assert fold("Œuvres à l'Été") == "oeuvres a l'ete"


def test_a_portal_of_many_datasets_is_spread_over_pages_that_stay_light(
    tree: Path, cards: dict[str, Card], tmp_path: Path
) -> None:
    state, listed = load_state(tree), []
    for number in range(400):
        card = cards["lieux-covoiturage"].model_copy(update={"id": f"lieux-{number}", "title": f"Lieux {number}"})
        listed.append(Entry(card, load_standard(card.standard), state.datasets["lieux-covoiturage"]))
    portal = Portal(load_territory(), listed, [], {})
    found = render(portal, Memory(), {}, lambda file: tree / file.path)
    assert max(len(content) for path, content in found.items() if path.endswith(".html")) < 250_000
    lists = "".join(content.decode() for path, content in found.items() if path.startswith("themes/"))
    states = "".join(content.decode() for path, content in found.items() if path.startswith("etat/"))
    for entry in listed:
        assert f'datasets/{entry.card.id}/"' in lists
        assert f'datasets/{entry.card.id}/"' in states
    for path, content in found.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    for path in ("index.html", "themes/tran/index.html", "themes/tran/2/index.html", "etat/2/index.html"):
        for href in re.findall(r'href="([^"#:]+)"', (tmp_path / path).read_text(encoding="utf-8")):
            assert at(tmp_path, tmp_path / path, href).is_file() or "catalog" in href, (path, href)
