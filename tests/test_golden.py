"""Golden numbers: what `evaluate --tune` prints, held against what it printed before.

Rebuilding must not move them. Where a change of theirs is meant, say so in CHANGELOG and write them anew:
`RESMEM_GOLDEN=write pytest -n0 tests/test_golden.py`. Whole numbers must be equal, others to 4 digits. What is trained
here is compared only where training rounds alike: on a processor that numbers were written on (the files hold those of
each), by the same PyTorch, in one thread.
"""

import json
import math
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from benchmarks.common import some_of_cifar

ROOT, KEPT = Path(__file__).parents[1], Path(__file__).parent / "golden"
WRITE = os.environ.get("RESMEM_GOLDEN") == "write"
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
IMAGES_A_CLASS = {"train": 60, "test": 40}
TEXT = ("--vocabulary=512", "--limit-train=20000", "--epochs=1")


def machine() -> str:
    """Return what training's rounding depends on, and the text of Python's documentation."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().partition("\n\n")[0].splitlines() if info.exists() else []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    processor = " ".join(fields.get(name, "?") for name in ("vendor_id", "cpu family", "model"))
    torch = version("torch").partition("+")[0]
    return f"Python {platform.python_version()}, torch {torch}, {processor}"


def differences(found, kept, where="") -> list[str]:
    """Return the places in which two JSON values differ."""
    if isinstance(found, dict) and isinstance(kept, dict) and found.keys() == kept.keys():
        return [one for key in kept for one in differences(found[key], kept[key], f"{where}.{key}")]
    if isinstance(found, list) and isinstance(kept, list) and len(found) == len(kept):
        pairs = enumerate(zip(found, kept, strict=True))
        return [one for i, (a, b) in pairs for one in differences(a, b, f"{where}[{i}]")]
    if isinstance(found, float) and isinstance(kept, float):
        same = math.isclose(found, kept, rel_tol=1e-4, abs_tol=1e-7)
    else:
        same = type(found) is type(kept) and found == kept
    return [] if same else [f"{where}: {found!r} instead of {kept!r}"]


def compare(name: str, *argv: str, trained: bool) -> None:
    """Run `evaluate --tune` and hold what it prints against the file of that name."""
    file = KEPT / f"{name}.json"
    kept, here = json.loads(file.read_text()), machine() if trained else "any"
    if here not in kept and not WRITE:
        pytest.skip(f"GOLDEN NUMBERS OF {name} ARE THOSE OF {', '.join(kept)}, AND THIS IS {here}")
    command = [sys.executable, "-m", "resmem_core", "evaluate", "--tune", "--json", *argv]
    run = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    found["dataset"] = found["dataset"].partition(":")[0]
    del found["verdict"]  # words on the other numbers: see tests/evaluation/test_verdict.py
    if WRITE:
        file.write_text(json.dumps({**kept, here: found}, indent=1) + "\n")
    else:
        assert differences(found, kept[here]) == []


@pytest.mark.parametrize("seed", range(3))
def test_digits(seed):
    compare(f"digits-{seed}", f"--seed={seed}", trained=False)  # a convex base rounds alike enough everywhere


def test_python_docs():
    compare("python-docs", "--dataset=python-docs", *TEXT, trained=True)


def test_some_of_cifar(cifar_archive, tmp_path):
    some_of_cifar(cifar_archive, tmp_path, IMAGES_A_CLASS)
    compare("cifar", f"--dataset=folder:{tmp_path}", "--backbone=resnet8", "--epochs=2", trained=True)
