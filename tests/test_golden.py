"""Golden numbers: what `evaluate --tune` prints, held against what it printed before.

Rebuilding must not move them. Where a change of theirs is meant, say so in CHANGELOG and write them anew:
`RESMEM_GOLDEN=write pytest -n0 tests/test_golden.py`. Whole numbers must be equal; others may differ as far as float32
rounds otherwise on another processor: a setting that is chosen anew, or a test point that falls the other way, shows.
"""

import json
import math
import os
import sys
import tarfile
from pathlib import Path

import pytest

from resmem_core.cli import main

KEPT = Path(__file__).parent / "golden"
PYTHON_DOCS = (3, 11, 7)  # whose text was kept; other versions bring other texts
IMAGES_A_CLASS = {"train": 60, "test": 40}
TEXT = ("--vocabulary=512", "--limit-train=20000", "--epochs=1")


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


def compare(name: str, capsys, *argv: str) -> None:
    """Run `evaluate --tune` and hold what it prints against the file of that name."""
    assert main(["evaluate", "--tune", "--json", *argv]) == 0
    found = json.loads(capsys.readouterr().out)
    found["dataset"] = found["dataset"].partition(":")[0]
    file = KEPT / f"{name}.json"
    if os.environ.get("RESMEM_GOLDEN") == "write":
        file.write_text(json.dumps(found, indent=1) + "\n")
    assert differences(found, json.loads(file.read_text())) == []


@pytest.mark.parametrize("seed", range(3))
def test_digits(capsys, seed):
    compare(f"digits-{seed}", capsys, f"--seed={seed}")


@pytest.mark.skipif(sys.version_info[:3] != PYTHON_DOCS, reason=f"GOLDEN TEXT IS THAT OF PYTHON {PYTHON_DOCS}")
def test_python_docs(capsys):
    compare("python-docs", capsys, "--dataset=python-docs", *TEXT)


def test_some_of_cifar(capsys, cifar_archive, tmp_path):
    with tarfile.open(cifar_archive) as archive:
        for member in archive:
            path = Path(member.name)
            if member.isfile() and int(path.stem) < IMAGES_A_CLASS[path.parts[0]]:
                archive.extract(member, tmp_path, filter="data")
    compare("cifar", capsys, f"--dataset=folder:{tmp_path}", "--backbone=resnet8", "--epochs=2")
