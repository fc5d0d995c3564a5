"""What the knobs of the page Tune cost in a real browser: frames of a drag, presses, and the way to the server.

    python -m benchmarks.live [--classes=200] [--points=2000]

An app is run with a store of its own, on made-up embeddings of so many classes. A drag is 120 input events, one a
frame; told is the time from the event to what is painted after it. The alternative is the same page asking the server:
the time
from a key press on a slider that trains anew (Training points, of the page Playground) to the address that follows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.dashboard import FLAGS, serving

DRAG = """async (knob) => {
  const find = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.dataset?.knob === knob) return element;
      const inside = element.shadowRoot && find(element.shadowRoot);
      if (inside) return inside;
    }
    return null;
  };
  const slider = find(document), told = [];
  for (let n = 0; n < 120; n++) {
    const begin = performance.now();
    slider.value = (n * 7) % Number(slider.max);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    const worked = performance.now() - begin;
    await new Promise((done) => requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = done;
      after.port2.postMessage(0);
    }));
    told.push([worked, performance.now() - begin]);
  }
  return told;
}"""


def made(path: Path, n_classes: int, n: int, n_train: int | None = None) -> None:
    """Write embeddings and logits of so many classes, `n` points a part, and `n_train` of them in train."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_classes, 32))
    found: dict[str, np.ndarray] = {}
    for part in ("train", "validation", "test"):
        labels = np.arange(n_train or n if part == "train" else n) % n_classes
        z = centres[labels] + rng.normal(0, 1.2, (len(labels), 32))
        logits = (z + rng.normal(0, 1, z.shape)) @ centres.T
        for name, array in (("embeddings", z), ("logits", logits)):
            found[f"{part}_{name}"] = array.astype(np.float32)
        found[f"{part}_labels"] = labels
    np.savez(path, **found)  # type: ignore[arg-type]  # none of them is called allow_pickle


def middle_and_most(times: list[float]) -> str:
    """Write the median and the 95th percentile, in ms."""
    return f"median {np.median(times):.1f} ms, 95 % within {np.quantile(times, 0.95):.1f} ms"


def main() -> None:
    """Run the app and the browser, and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--points", type=int, default=2000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.npz"
        made(path, args.classes, args.points)
        cache = {"RESMEM_CACHE": str(Path(folder) / "cache")}
        begin = time.monotonic()
        judge = [sys.executable, "-m", "resmem_core", "lattice", f"--dataset=arrays:{path}"]
        subprocess.run(judge, env={**os.environ, **cache}, check=True)
        seconds = time.monotonic() - begin
        print(f"{args.classes} classes, {args.points} test points: judged in {seconds:.1f} s, imports too")
        with serving(**cache) as address:
            in_browser(address, f"dataset=arrays:{path}")


def in_browser(address: str, query: str) -> None:
    """Drag, press, and wait for the server."""
    from playwright.sync_api import Page, sync_playwright

    def until(page: Page, value: str | None, name: str = "k") -> float:
        begin = time.monotonic()
        while f"{name}={value}" not in page.evaluate("location.href") and time.monotonic() - begin < 30:
            time.sleep(0.005)
        return 1000 * (time.monotonic() - begin)

    chromium = os.environ.get("RESMEM_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[f"--{flag}" for flag in FLAGS])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{address}/tune?{query}&k=1")
        slider = page.get_by_role("slider", name="k, neighbours")
        slider.wait_for(timeout=120_000)
        page.wait_for_timeout(3000)
        told = page.evaluate(DRAG, "sigma")
        print(f"drag: JavaScript {middle_and_most([worked for worked, _ in told])}")
        print(f"drag: event to paint {middle_and_most([painted for _, painted in told])}")
        page.wait_for_timeout(2000)
        slider.focus()
        before = int(slider.input_value())
        for _ in range(100):
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(30)
        print(f"100 presses 30 ms apart: {int(slider.input_value()) - before} steps")
        page.wait_for_timeout(2000)
        follow = []
        for _ in range(10):
            page.keyboard.press("ArrowLeft")
            follow.append(until(page, slider.get_attribute("aria-valuetext")))
            page.wait_for_timeout(1000)
        print(f"release to address: {middle_and_most(follow)}")
        page.goto(f"{address}/playground?n=100")
        asked = page.get_by_role("slider", name="Training points")
        asked.wait_for(timeout=120_000)
        page.wait_for_timeout(3000)
        asked.focus()
        follow = []
        for _ in range(10):
            page.keyboard.press("ArrowRight")
            follow.append(until(page, asked.input_value(), "n"))
            page.wait_for_timeout(1000)
        print(f"a slider that asks the server (Playground): press to address {middle_and_most(follow)}")
        browser.close()


if __name__ == "__main__":
    main()
