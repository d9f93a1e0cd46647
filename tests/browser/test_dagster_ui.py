"""A person opens the Dagster UI, finds an asset, asks for one of its days and sees it succeed.

Belongs here: what only a browser can tell. Does not: what the definitions hold (tests/unit/orchestration).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# The UI offers the last 90 days first, and none of the future.
START = datetime.now(UTC).date() - timedelta(days=3)
DAY = f"{START + timedelta(days=1)}"
PATIENCE = 120_000  # milliseconds, for what starts a process


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    if CHROMIUM is None:
        complaint = "no chromium on this machine: apt install chromium"
        pytest.fail(complaint) if os.environ.get("CI") == "true" else pytest.skip(complaint)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--disable-sync"])
        opened = browser.new_page(viewport={"width": 1500, "height": 950})
        opened.set_default_timeout(30_000)
        yield opened
        browser.close()


@pytest.fixture(scope="module")
def ui(page: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the UI of a small territory whose files are loaded; asks for `page` first, to skip without cost."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "DATANEVERS_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    environment.pop("DATANEVERS_LAKE", None)
    datanevers = [sys.executable, "-m", "orchestration.cli"]
    simulated = ["simulate", "--start", f"{START}", "--days", "2", "--scale", "0.05", "--out", str(home / "landing")]
    for command in (simulated, ["ingest"]):
        subprocess.run([*datanevers, *command], cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
        for folder in (home / "landing").iterdir():  # one source is enough to look at
            if folder.name != "water_scada":
                shutil.rmtree(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "ui.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, server, home / "ui.log")
        yield address
    finally:
        # the whole session: the code server and the daemon outlive a parent that is killed alone
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=30)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            try:
                server.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
    pytest.fail(f"the UI did not start:\n{log.read_text(errors='replace')[-3000:]}")


def test_the_asset_graph_shows_every_layer_and_names_its_assets(page: Any, ui: str) -> None:
    page.goto(f"{ui}/asset-groups")
    for group in ("bronze", "staging", "conformed", "marts", "opendata", "publication"):
        page.get_by_text(group, exact=True).first.wait_for()
    page.get_by_placeholder("Jump to").click()
    page.keyboard.type("eau-volumes")
    page.get_by_text("eau-volumes-journaliers").first.wait_for()
    assert page.get_by_text("Join the Dagster community").count() == 0


def test_the_command_line_run_is_listed_and_succeeded(page: Any, ui: str) -> None:
    page.goto(f"{ui}/runs")
    page.get_by_text("datanevers/command: ingest").wait_for()
    page.get_by_text("full_run", exact=True).first.wait_for()
    page.get_by_text("Success", exact=True).first.wait_for()


def test_a_day_asked_for_in_the_ui_is_materialised(page: Any, ui: str) -> None:
    page.goto(f"{ui}/assets/bronze/water_scada__reading?view=partitions")
    page.get_by_role("button", name="Materialize").first.click()
    days = page.get_by_placeholder("No matching partitions")
    days.fill(DAY)
    days.press("Enter")
    page.get_by_role("button", name="Launch 1 run").click()
    page.get_by_text("Launched run").wait_for()

    page.goto(f"{ui}/runs")
    page.get_by_text(f"partition: {DAY}").first.wait_for()
    launched = page.locator("css=a[href^='/runs/']").first
    page.goto(ui + launched.get_attribute("href"))
    page.get_by_text("RUN_SUCCESS", exact=True).wait_for(timeout=PATIENCE)

    page.goto(f"{ui}/assets/bronze/water_scada__reading?view=partitions&partition={DAY}")
    page.get_by_text("dagster/partition_row_count").first.wait_for()
    row = page.locator("tr", has_text="dagster/partition_row_count").first.inner_text()
    assert int("".join(filter(str.isdigit, row.split("count")[-1]))) > 0
