"""What the knobs of the page Playground, and of How it works, cost in a real browser.

    python -m benchmarks.learn

An app is run with a store of its own. A drag is 120 input events, one a frame; told is the time from the event to what
is painted after it: four surfaces of 200 x 200 places and their borders, or a curve at 1,001 places, are worked out and
drawn in between. The aim at 400 points is 100 ms a frame.
"""

from __future__ import annotations

import os
import shutil
import tempfile

from benchmarks.dashboard import FLAGS, serving
from benchmarks.live import DRAG, middle_and_most

PAGES = {
    "Playground, 400 points": "playground?n=400&knn=true",
    "Playground, 400 points, k = 100, wide sigma": "playground?n=400&knn=true&k=100&sigma=10.0",
    "Playground, 2,000 points": "playground?n=2000&knn=true",
    "How it works, 500 points": "how_it_works?n=500&step=5",
}


def main() -> None:
    """Run the app and the browser, and print what was found."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("RESMEM_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, serving(RESMEM_CACHE=folder) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=[f"--{flag}" for flag in FLAGS])
        for title, path in PAGES.items():
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{address}/{path}")
            page.locator("canvas").first.wait_for(timeout=120_000)
            page.wait_for_timeout(3000)
            for knob in ("k", "sigma") if "How" in title else ("k", "sigma", "temperature"):
                told = page.evaluate(DRAG, knob)
                print(f"{title}: {knob}, a frame {middle_and_most([painted for _, painted in told])}", flush=True)
                page.wait_for_timeout(1500)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
