"""A person reads the portal: on a phone and a desktop, in the dark, without JavaScript, with a screen reader's rules.

Belongs here: what only a browser can tell. Does not: what pages say (tests/unit/publication/test_pages.py).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
PAGES = {
    "home": "/",
    "map": "/datasets/lieux-covoiturage/",
    "series": "/datasets/eau-volumes-journaliers/",
    "several tables": "/datasets/comptages-mobilite/",
    "refused": "/datasets/consommation-energie-batiments/",
    "status": "/etat/",
    "accessibility": "/accessibilite/",
    "legal": "/mentions-legales/",
    "not found": "/nulle-part/",
}


def _samples() -> Any:
    """The publication tests' own gold tables and verdicts."""
    place = ROOT / "tests" / "unit" / "publication" / "conftest.py"
    spec = importlib.util.spec_from_file_location("publication_samples", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _served(home: Path) -> Iterator[str]:
    """The portal of an installation, on a free port, until the block ends."""
    import uvicorn

    from publication.serve import application

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(application(), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        complaint = "no chromium on this machine: apt install chromium"
        pytest.fail(complaint) if os.environ.get("CI") == "true" else pytest.skip(complaint)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def portal(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a portal with a dataset of each kind, one of them refused; asks for `browser` first, to skip early."""
    from publication.card import load_cards
    from publication.publish import publish

    samples = _samples()
    home = tmp_path_factory.mktemp("portal")
    cards = load_cards()
    verdicts = {card.id: samples.verdict(card.id, "passed") for card in cards}
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as con:
        patch.setenv("DATANEVERS_HOME", str(home))
        patch.delenv("DATANEVERS_LAKE", raising=False)
        con.execute("SET TimeZone = 'UTC'")
        con.execute(samples.GOLD + SQUARE)
        publish(con, cards, verdicts, run_id="r", now=datetime(2026, 4, 1, 5, tzinfo=UTC))
        refused = verdicts | {
            name: samples.verdict(name, "failed") for name in verdicts if name.startswith("consommation")
        }
        publish(con, cards, refused, run_id="s", now=datetime(2026, 4, 2, 5, tzinfo=UTC))
        with _served(home) as address:
            yield address


# one commune, so that maps have a ground
SQUARE = """
CREATE SCHEMA silver;
CREATE TABLE silver.commune_contour AS SELECT '58194' AS insee_code, 'Nevers' AS commune_name,
  'POLYGON ((3.1 46.9, 3.2 46.9, 3.2 47.1, 3.1 47.1, 3.1 46.9))' AS geometry_wkt,
  3.1 AS west_deg, 46.9 AS south_deg, 3.2 AS east_deg, 47.1 AS north_deg;
"""


@contextmanager
def _page(browser: Any, **options: Any) -> Iterator[Any]:
    context = browser.new_context(**options)
    try:
        opened = context.new_page()
        opened.set_default_timeout(15_000)
        yield opened
    finally:
        context.close()


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"])
def test_axe_finds_nothing_to_say_and_no_page_scrolls_sideways(
    browser: Any, portal: str, viewport: dict[str, int], scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    complaints: dict[str, list[str]] = {}
    # axe is put into the page: our own policy would not have it
    with _page(browser, viewport=viewport, color_scheme=scheme, bypass_csp=True) as page:
        for name, path in PAGES.items():
            page.goto(portal + path, wait_until="networkidle")
            for details in page.locator("details").all():
                details.evaluate("element => element.open = true")
            found = axe.run(page).response["violations"]
            complaints[name] = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found]
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"], f"{name} is {width} px wide"
    assert {name: said for name, said in complaints.items() if said} == {}


def test_nothing_is_fetched_from_elsewhere_nothing_fails_and_pages_are_light(browser: Any, portal: str) -> None:
    for name, path in PAGES.items():
        asked: list[str] = []
        sizes: list[int] = []
        told: list[str] = []
        with _page(browser, viewport=DESKTOP) as page:
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("response", lambda answer, sizes=sizes: sizes.append(len(answer.body())))
            page.on("console", lambda message, told=told: told.append(message.text))
            page.on("pageerror", lambda error, told=told: told.append(str(error)))
            page.goto(portal + path, wait_until="networkidle")
        assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {portal.split("/")[2]}
        assert 0 < sum(sizes) < 300_000, name
        assert [text for text in told if "404" not in text] == [], name


def test_search_finds_a_word_without_its_accents_and_says_how_many(browser: Any, portal: str) -> None:
    with _page(browser, viewport=PHONE) as page:
        page.goto(f"{portal}/")
        page.get_by_label("Chercher un mot").fill("ENERGIE")
        count = page.get_by_role("status")
        count.get_by_text("1 jeu de données trouvé.").wait_for()
        assert count.get_attribute("aria-live") == "polite"
        assert page.get_by_role("heading", name="Consommation d\u2019énergie").count() == 1
        assert page.get_by_role("heading", name="Lieux de covoiturage").count() == 0
        page.get_by_label("Chercher un mot").fill("energie covoiturage")
        count.get_by_text("Aucun jeu de données trouvé.").wait_for()
        page.get_by_role("button", name="Effacer").click()
        page.get_by_role("heading", name="Lieux de covoiturage").wait_for()


def test_search_by_theme_commune_and_format_can_be_passed_on_as_an_address(browser: Any, portal: str) -> None:
    with _page(browser, viewport=DESKTOP) as page:
        page.goto(f"{portal}/?commune=58303&format=geojson")
        page.get_by_role("status").get_by_text("1 jeu de données trouvé.").wait_for()
        page.get_by_role("link", name="Lieux de covoiturage").click()
        page.wait_for_url("**/datasets/lieux-covoiturage/")
        page.goto(f"{portal}/")
        page.get_by_label("Thème", exact=True).select_option(label="Environnement")
        page.get_by_role("link", name="Volumes d\u2019eau journaliers").wait_for()
        page.wait_for_url("**/?theme=ENVI")


def test_without_javascript_every_dataset_is_reached_by_theme(browser: Any, portal: str) -> None:
    with _page(browser, viewport=PHONE, java_script_enabled=False) as page:
        page.goto(f"{portal}/")
        assert page.locator("#recherche").is_hidden()
        page.get_by_text("Sans JavaScript").wait_for()
        page.get_by_role("navigation", name="Par thème").get_by_role("link", name="Transports").click()
        page.get_by_role("link", name="Comptages de mobilité").click()
        page.get_by_role("heading", level=1, name="Comptages de mobilité").wait_for()
        assert page.locator("figure img").is_visible()


@pytest.mark.parametrize("path", [PAGES["map"], PAGES["series"]], ids=["map", "series"])
def test_a_picture_follows_light_and_dark(browser: Any, portal: str, path: str) -> None:
    shots = {}
    for scheme in ("light", "dark"):
        with _page(browser, viewport=PHONE, color_scheme=scheme) as page:
            page.goto(portal + path, wait_until="networkidle")
            image = page.locator("figure img")
            assert image.evaluate("image => image.naturalWidth") > 0
            shots[scheme] = image.screenshot()
    assert shots["light"] != shots["dark"]


def test_the_keyboard_alone_reaches_the_content_and_the_search(browser: Any, portal: str) -> None:
    with _page(browser, viewport=DESKTOP) as page:
        page.goto(f"{portal}/", wait_until="networkidle")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Aller au contenu"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "mots"
