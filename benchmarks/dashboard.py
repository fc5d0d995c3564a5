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
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FLAGS = ("no-sandbox", "disable-gpu", "enable-unsafe-swiftshader", "disable-quic", "no-first-run", "disable-sync")
LIMITS = {"first heading": 1.0, "first figures": 2.5, "key to address": 0.3, "page switch": 0.7}


@contextmanager
def serving(**environment: str) -> Iterator[str]:
    """Run the app, with more in its environment, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", "--server.headless=true"]
    env, quiet = {**os.environ, **environment}, subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=quiet, stderr=quiet)
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


# Measured inside the page, by its own clock: from the key or click to the first frame in which what is awaited is
# there. What drives the browser from outside would see it only when the main thread has drawn all that came with it.
WATCH = """([holds, text]) => {
  window.headline = () => {
    const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean);
    return roots.map((root) => root.querySelector(".headline .resmem:last-child")?.textContent).find(Boolean) ?? "";
  };
  window.taken = new Promise((resolve) => {
    let began = text.fromLoad ? 0 : undefined;
    for (const kind of ["keydown", "pointerdown"])
      addEventListener(kind, () => { began ??= performance.now(); }, { capture: true, once: true });
    const test = new Function("text", `return ${holds}`);
    const check = () => {
      if (began !== undefined && test(text)) resolve(performance.now() - began);
      else requestAnimationFrame(check);
    };
    requestAnimationFrame(check);
  });
}"""
ADDRESSED = "location.search.includes(text.says)"
ARRIVED = (
    "document.querySelector('[data-testid=stMain] h1')?.textContent === text.title"
    " && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
    " && !document.querySelector('[data-testid=stMain] [data-stale=true]')"
)
TITLED = "document.querySelector('[data-testid=stMain] h1')"
PAINTED = "window.headline().endsWith('%')"


def measure(address: str, query: str, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each wait, page switches by the page switched to."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("RESMEM_CHROMIUM") or shutil.which("chromium")
    times: dict[str, list[float]] = {"first heading": [], "first figures": [], "key to address": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[f"--{flag}" for flag in FLAGS])

        def fresh() -> Any:
            page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
            page.set_default_timeout(120_000)
            return page

        def seconds(page: Any) -> float:
            return float(page.evaluate("window.taken")) / 1000

        page = fresh()
        page.goto(f"{address}/?{query}")
        page.locator(".headline").wait_for()
        links = {link.inner_text().strip().splitlines()[-1]: link for link in page.get_by_test_id("stTopNavLink").all()}

        def switch(name: str) -> float:
            page.evaluate(WATCH, [ARRIVED, {"title": name}])
            links[name].click()
            taken = seconds(page)
            page.wait_for_timeout(1500)  # so that what one page still draws is not counted for the next
            return taken

        names = [name for name in links if name not in ("Learn", "Generate", "Data and runs")]
        for _ in range(2):
            for name in names:
                switch(name)
        for _ in range(rounds):
            for name in names:
                times.setdefault(f"page switch: {name}", []).append(switch(name))

        for name, awaited in (("first heading", TITLED), ("first figures", PAINTED)):
            for _ in range(rounds):
                visitor = fresh()
                visitor.add_init_script(f"({WATCH})([{json.dumps(awaited)}, {{fromLoad: true}}])")
                visitor.goto(f"{address}/?{query}")
                times[name].append(seconds(visitor))
                visitor.wait_for_timeout(3000)
                visitor.context.close()

        switch("Tune")
        slider = page.get_by_role("slider", name="k, neighbours")
        for step in range(4 * rounds):
            slider.focus()
            place = int(slider.input_value()) + (1 if step < 2 * rounds else -1)
            page.evaluate(WATCH, [ADDRESSED, {"says": f"k={place + 1}"}])  # up to 64 every k is a step
            slider.press("ArrowRight" if step < 2 * rounds else "ArrowLeft")
            times["key to address"].append(seconds(page))
            page.wait_for_timeout(1000)
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
