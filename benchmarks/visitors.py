"""How long many visitors wait for each other: clients that speak Streamlit's websocket, without a browser.

    python -m benchmarks.visitors [--clients=50] [--memory=45000] [--test=10000]

An app is run with a store of its own, on made-up embeddings of ten classes as large as CIFAR-10. Every client opens a
page and lets a knob go every four seconds, at a setting that nobody had before; told is the time until the server has
answered in full. `--classes`, `--memory` and `--test` say how large the data is, `--pages` what is looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dashboard import serving
from benchmarks.live import made

EVERY = 4.0  # seconds between two releases of one client
PAGES = "tune,tune,tune,tune,classes,points,memory,"  # of one client after the other; the last is Overview


@dataclass
class Client:
    """One visitor: a page of the app, and what the server said of its knobs."""

    address: str
    page: str
    query: str
    rng: random.Random
    knobs: dict[str, Any] = field(default_factory=dict)
    widget: str = ""
    turned: int = 0
    waits: list[float] = field(default_factory=list)
    opened: float = 0.0

    async def visit(self, releases: int) -> None:
        """Open the page, and let a knob go so many times."""
        import websockets

        url = self.address.replace("http", "ws") + "/_stcore/stream"
        async with websockets.connect(url, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            begin = time.monotonic()
            await self._ask(socket)
            self.opened = time.monotonic() - begin
            await asyncio.sleep(self.rng.uniform(0, EVERY))
            for _ in range(releases):
                begin = time.monotonic()
                await self._ask(socket, self._turned())
                self.waits.append(time.monotonic() - begin)
                await asyncio.sleep(max(0.0, EVERY - self.waits[-1]))

    def _turned(self) -> dict[str, Any]:
        self.turned += 1
        steps = {knob["name"]: self.rng.choice(knob["values"]) for knob in self.knobs["knobs"]}
        return {"setting": {**steps, "count": self.turned}}

    async def _ask(self, socket: Any, state: dict[str, Any] | None = None) -> None:
        """Have the page run, and wait until it has."""
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        asked = BackMsg()
        asked.rerun_script.query_string = self.query
        asked.rerun_script.page_name = self.page
        if state is not None:
            widget = asked.rerun_script.widget_states.widgets.add()
            widget.id, widget.json_value = self.widget, json.dumps(state)
        await socket.send(asked.SerializeToString())
        while True:
            told = ForwardMsg.FromString(await socket.recv())
            kind = told.WhichOneof("type")
            if kind == "delta" and told.delta.new_element.HasField("bidi_component"):
                component = told.delta.new_element.bidi_component
                if component.id.endswith("-knobs") and component.json:
                    self.widget, self.knobs = component.id, json.loads(component.json)
            if kind == "script_finished" and told.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return


async def visits(address: str, query: str, clients: int, releases: int, pages: list[str]) -> list[Client]:
    """Return the clients once all of them have left."""
    found = [Client(address, pages[i % len(pages)], query, random.Random(i)) for i in range(clients)]
    await asyncio.gather(*(client.visit(releases) for client in found))
    return found


def told_of(times: list[float]) -> str:
    """Write median and 95th percentile, in seconds."""
    return f"median {np.median(times):.2f} s, 95 % within {np.quantile(times, 0.95):.2f} s"


def main() -> None:
    """Run the app and its visitors, and print how long they waited."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--releases", type=int, default=10)
    parser.add_argument("--memory", type=int, default=45_000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--pages", default=PAGES)
    parser.add_argument("--folder", help="where the data and the store are kept for another time")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.folder or temporary)
        path, cache = folder / "made.npz", {"RESMEM_CACHE": str(folder / "cache")}
        if not path.exists():
            made(path, args.classes, args.test, args.memory)
        command = [sys.executable, "-m", "resmem_core", "lattice", f"--dataset=arrays:{path}"]
        subprocess.run(command, env={**os.environ, **cache}, check=True)
        with serving(**cache) as address:
            query = f"dataset=arrays:{path}"
            for clients in sorted({1, args.clients}):
                pages = args.pages.split(",")
                asyncio.run(visits(address, query, min(clients, len(set(pages))), 1, sorted(set(pages))))  # warm
                found = asyncio.run(visits(address, query, clients, args.releases, pages))
                print(f"{clients} clients: {told_of([wait for client in found for wait in client.waits])}", end="; ")
                print(f"opening {told_of([client.opened for client in found])}")


if __name__ == "__main__":
    main()
