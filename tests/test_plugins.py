"""Datasets, base models, indexes, metrics, commands and pages of another package, by its entry points."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_documents import EXAMPLES, ROOT

MODULES = {
    "dataset": "resmem_core/data/loaders/iris.py",
    "backbone": "resmem_core/models/families/perceptron.py",
    "index": "resmem_core/memory/indexes/kd_tree.py",
    "metric": "resmem_core/evaluation/measures/balanced.py",
    "page": "pages/hubs.py",
}


@pytest.fixture
def package(tmp_path):
    """Return a writer of a package of another's, as pip would lay it; it returns what a Python run there prints."""
    home = tmp_path / "my_package"
    home.mkdir()
    (home / "__init__.py").write_text("")
    for path in MODULES.values():
        (home / Path(path).name).write_text(EXAMPLES[path])
    about = tmp_path / "my_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")

    def run(entries, code):
        lines = [f"[resmem_core.{kind}]\n{name} = {module}" for kind, name, module in entries]
        (about / "entry_points.txt").write_text("\n".join(lines))
        before = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        done = subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done

    return run


def test_every_kind_is_found(package):
    entries = [(kind, Path(path).stem, f"my_package.{Path(path).stem}") for kind, path in MODULES.items()]
    code = """
from pathlib import Path
from pages._shared.frame import pages
from resmem_core.data import DATASETS
from resmem_core.evaluation.evaluate import METRICS
from resmem_core.memory.indexes import INDEXES
from resmem_core.models import BACKBONES
print([name in registry.names() for registry, name in (
    (DATASETS, "iris"), (BACKBONES, "perceptron"), (INDEXES, "kd-tree"), (METRICS, "balanced"))])
print([head.title for path, head in pages(Path(sys.argv[0] or ".").resolve() / "nowhere").items()])
"""
    done = package(entries, code)
    assert done.stdout.splitlines() == ["[True, True, True, True]", "['Hubs']"]
    assert "left out" not in done.stderr


def test_what_is_wrong_with_one_is_told_and_stops_nothing(package):
    entries = [("dataset", "broken", "my_package.nowhere"), ("dataset", "iris", "my_package.iris")]
    code = "from resmem_core.data import DATASETS; print('digits' in DATASETS.names(), 'iris' in DATASETS.names())"
    done = package(entries, code)
    assert done.stdout.strip() == "True True"
    assert re.search(r"plug-in 'broken' \(resmem_core.dataset\) of my-package is left out: ModuleNotFound", done.stderr)
