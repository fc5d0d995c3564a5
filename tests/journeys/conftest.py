"""A real server and a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from resmem_core.analysis.lattice import lattice_of
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare

ROOT = Path(__file__).parents[2]
FLAGS = ["headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"]
FLAGS += ["disable-background-networking", "disable-component-update"]

HUNG_UP = "WebSocket is not connected"  # Streamlit's own failure where a browser leaves while it is answered

# As `python -m streamlit`, but jobs in the background are not put behind the other tests, which leave them no core.
STREAMLIT = "import os; del os.setpriority; from streamlit.web.cli import main; main()"


@pytest.hookimpl(tryfirst=True)  # before any are chosen by their markers
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    chromium = os.environ.get("RESMEM_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("NO BROWSER: install Chromium, or name one in RESMEM_CHROMIUM, to run the journeys")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=[f"--{flag}" for flag in FLAGS])
        yield running
        running.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Return where the server keeps its cache, its data and its log."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def judged(once) -> Path:
    """Return a store in which every setting of the default experiment is judged, so that the browser follows knobs."""
    lattice_of(prepare(ExperimentConfig(), store=Store(once / "judged")))
    return once / "judged"


@pytest.fixture(scope="session")
def server(folder, browser, judged) -> Iterator[str]:
    """Run an app with a cache of its own, and yield its address; its very first visit is to a page within."""
    from playwright.sync_api import expect

    shutil.copytree(judged, folder / "cache", copy_function=os.link)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", STREAMLIT, "run", "app.py", f"--server.port={port}", "--server.headless=true"],
            cwd=ROOT,
            env={**os.environ, "RESMEM_CACHE": str(folder / "cache"), "RESMEM_DATA": str(folder / "data")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                if process.poll() is not None:
                    raise
                time.sleep(0.1)
        first = browser.new_page()
        first.goto(f"{address}/tune?k=5")
        expect(first.get_by_role("heading", name="Tune", exact=True)).to_have_count(1)
        expect(first.locator(".figure.curve")).to_be_visible()
        expect(first.get_by_role("slider", name="k, neighbours")).to_have_value("4")
        expect(first).to_have_url(f"{address}/tune?k=5")
        first.close()
        yield address
    finally:
        process.terminate()
        process.wait(60)
    failures = (folder / "log.txt").read_text().split("Traceback")[1:]
    assert [told for told in failures if HUNG_UP not in told] == []


@pytest.fixture
def visit(browser, server):
    """Return a function that opens a fresh visitor's page; at the end nothing may have gone wrong in any of them."""
    opened, failures = [], []

    def fresh(**options):
        context = browser.new_context(base_url=server, **{"viewport": {"width": 1280, "height": 1000}, **options})
        context.set_default_timeout(60_000)
        visitor = context.new_page()
        visitor.on("pageerror", lambda error: failures.append(str(error)))
        visitor.on("console", lambda told: failures.append(f"{told.text} {told.location}") if _is_ours(told) else None)
        opened.append(visitor)
        return visitor

    yield fresh
    exceptions = [text for visitor in opened for text in visitor.get_by_test_id("stException").all_inner_texts()]
    for visitor in opened:
        visitor.context.close()
    assert exceptions == []
    assert failures == []


def _is_ours(told) -> bool:
    """Tell whether a console message is an error; Streamlit looks for its own address by asking wrong ones first."""
    return told.type == "error" and "/_stcore/" not in told.location.get("url", "")


@pytest.fixture
def page(visit):
    """Return a fresh visitor's page."""
    return visit()
