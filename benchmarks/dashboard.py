"""How long people wait in the dashboard: a real server, a real headless Chromium.

    python -m benchmarks.dashboard --query "dataset=folder:PATH&backbone=resnet8"

The experiment must be prepared (`python -m resmem_core train ...`, then `grid ...`). Each page is opened twice before
anything is measured, so that what a page computes once is there. Times are from the key or the click to what is
awaited, in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FLAGS = ("no-sandbox", "disable-gpu", "enable-unsafe-swiftshader", "disable-quic", "no-first-run", "disable-sync")
LIMITS = {"first useful paint": 3.0, "slider to new numbers": 0.3, "page switch": 1.0}


@contextmanager
def serving() -> Iterator[str]:
    """Run the app and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", "--server.headless=true"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def taken(act: Callable[[], Any], awaited: Callable[[], Any]) -> float:
    """Return the seconds from the beginning of `act` to the end of `awaited`."""
    began = time.perf_counter()
    act()
    awaited()
    return time.perf_counter() - began


def measure(address: str, query: str, rounds: int) -> dict[str, list[float]]:
    """Return the times of each wait, page switches by the page switched to."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("RESMEM_CHROMIUM") or shutil.which("chromium")
    times: dict[str, list[float]] = {"first useful paint": [], "slider to new numbers": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[f"--{flag}" for flag in FLAGS])

        def fresh() -> Any:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.set_default_timeout(120_000)
            return page

        def settled(page: Any) -> None:
            page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()

        def accuracy(page: Any) -> Any:
            return page.get_by_test_id("stMetric").filter(has_text="ResMem accuracy").first

        page = fresh()
        page.goto(f"{address}/?{query}")
        accuracy(page).wait_for()
        links = page.get_by_test_id("stSidebarNavLink")
        names = [text.strip().splitlines()[-1] for text in links.all_inner_texts()]

        def switch(name: str) -> float:
            heading = page.get_by_role("heading", name="ResMem Lab" if name == "Overview" else name, exact=True)
            elements = page.get_by_test_id("stMain").get_by_test_id("stElementContainer")

            def arrived() -> None:
                heading.wait_for()
                settled(page)
                elements.nth(2).wait_for()

            return taken(lambda: links.filter(has_text=re.compile(f"{name}$")).click(), arrived)

        for _ in range(2):
            for name in names:
                switch(name)
                page.wait_for_timeout(300)
        for _ in range(rounds):
            for name in names:
                times.setdefault(f"page switch: {name}", []).append(switch(name))
                page.wait_for_timeout(500)

        for _ in range(rounds):
            visitor = fresh()
            opened = partial(visitor.goto, f"{address}/?{query}")
            times["first useful paint"].append(taken(opened, accuracy(visitor).wait_for))
            settled(visitor)
            visitor.close()

        switch("Tune")
        k = int(re.findall(r"recall@(\d+)", page.inner_text("body"))[0])
        slider = page.get_by_role("slider", name="k, neighbours")
        for step in range(4 * rounds):
            page.wait_for_timeout(800)
            slider.focus()
            k += 1 if step < 2 * rounds else -1
            key = "ArrowRight" if step < 2 * rounds else "ArrowLeft"
            told = page.get_by_text(re.compile(rf"recall@{k} "))
            times["slider to new numbers"].append(taken(partial(slider.press, key), told.wait_for))
        browser.close()
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--query", default="", help="of the address: which experiment")
    parser.add_argument("--rounds", type=int, default=5, help="times each wait is measured (default: 5)")
    args = parser.parse_args()
    with serving() as address:
        times = measure(address, args.query, args.rounds)
    print(f"{platform.machine()}, {os.cpu_count()} cores; the browser renders in software on the same cores")
    print(f"{'wait':32}{'median':>9}{'most':>9}{'wanted':>9}")
    for name, seconds in times.items():
        limit = LIMITS[name.partition(":")[0]]
        print(f"{name:32}{statistics.median(seconds):8.2f}s{max(seconds):8.2f}s{limit:8.1f}s")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "dashboard.json").write_text(json.dumps({"query": args.query, "seconds": times}))


if __name__ == "__main__":
    main()
