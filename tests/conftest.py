"""Folders that are nobody's, and a small experiment that needs no training."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

# Before anything loads them: several workers with several threads each get in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"

import hypothesis
import numpy as np
import pytest

from resmem_core.cli.main import main
from resmem_core.common.store import Store
from resmem_core.data.leakage import find_leakage
from resmem_core.data.text import Document
from resmem_core.data.text_loading import Corpus
from resmem_core.experiment.config import ExperimentConfig, LanguageConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.experiment.text_prepare import LanguageExperiment, prepare_language
from resmem_core.memory.types import Memory, Neighbors, Queries

SLOW = ("test_golden.py", "test_real_images.py")
REAL_DATA = Path(os.environ.get("RESMEM_DATA", ""))  # read before a fixture hides it

hypothesis.settings.register_profile("suite", deadline=None)  # no test is about time
hypothesis.settings.load_profile("suite")


def pytest_xdist_auto_num_workers():
    """Return one more than there are cores: journeys mostly wait for their browser."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """Begin with what takes longest, so that nobody is left to wait for it at the end."""
    items.sort(key=lambda item: item.path.name not in SLOW and item.path.parent.name != "journeys")


def _point_at(patch, folder):
    for name in ("RESMEM_CACHE", "RESMEM_DATA"):
        patch.setenv(name, str(folder / name.lower()))


@pytest.fixture(autouse=True, scope="session")
def _no_real_folders(tmp_path_factory):
    """Keep fixtures of a wide scope, too, out of this machine's own cache and data."""
    with pytest.MonkeyPatch.context() as patch:
        _point_at(patch, tmp_path_factory.mktemp("session"))
        yield


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        _point_at(patch, tmp_path_factory.mktemp("own"))
        yield


@pytest.fixture(scope="session")
def cifar_archive():
    """Return the file of CIFAR-10's images as JPEGs, `train/CLASS/0000.jpg` and so on."""
    archive = REAL_DATA / "cifar10-jpeg.tar.xz"
    if not archive.is_file():
        pytest.skip("NO REAL IMAGES: set RESMEM_DATA to a folder with cifar10-jpeg.tar.xz to run this")
    return archive


@pytest.fixture(scope="session")
def experiment_arrays():
    """Return `memory`, `validation`, `test`: five classes of four clusters each, and a weak base model.

    Each query has its 40 nearest of 300 memory points.
    """
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(0)
    centers, weak = 3 * rng.normal(size=(20, 6)), rng.normal(size=(6, 5)) / 3

    def part(n):
        cluster = rng.integers(0, 20, n)
        points = (centers[cluster] + rng.normal(size=(n, 6))).astype(np.float32)
        labels = cluster % 5
        logits = points @ weak + 0.5 * np.eye(5)[labels] + 0.5 * rng.normal(size=(n, 5))
        return points, labels, logits.astype(np.float32)

    points, labels, logits = part(300)
    search = NearestNeighbors(n_neighbors=40).fit(points)

    def queries(n):
        points, labels, logits = part(n)
        distances, indices = search.kneighbors(points)
        return Queries(logits, labels, Neighbors(distances.astype(np.float32), indices))

    return SimpleNamespace(memory=Memory(logits, labels), validation=queries(150), test=queries(200))


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Return a folder of this run, which all workers share: for stores, whose work is then done once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def _digits(once):
    prepare(ExperimentConfig(), store=Store(once / "digits")).tune()
    return once / "digits"


@pytest.fixture(scope="session")
def digits(_digits):
    """Return the default experiment, prepared and tuned."""
    return prepare(ExperimentConfig(), store=Store(_digits))


@pytest.fixture
def _digits_ready(_digits, _own_folders):
    """Let the test's own store begin with the default experiment prepared and tuned."""
    shutil.copytree(_digits, os.environ["RESMEM_CACHE"], copy_function=os.link)


@pytest.fixture
def run(capsys):
    """Return a function from arguments of the command line to the exit status, stdout and stderr."""

    def run(*argv):
        try:
            status = main(argv)
        except SystemExit as leaving:
            status = leaving.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def told(run):
    """Return a function from arguments of the command line to what it prints for people."""

    def told(*argv):
        status, out, err = run(*argv)
        assert status == 0, err
        return out

    return told


@pytest.fixture
def printed(told):
    """Return a function from arguments of the command line to the JSON that it prints."""
    return lambda *argv: json.loads(told(*argv, "--json"))


# Made-up text

SUBJECTS = ("the red fox", "a small boat", "the old clock", "my neighbour", "the night train", "a grey heron")
VERBS = ("follows", "carries", "waits for", "forgets", "returns to", "looks at")
OBJECTS = (
    *("the harbour", "a paper lantern", "the last letter"),
    *("the stone bridge", "an empty house", "the winter market"),
)
ENDINGS = (
    *("before the rain", "after a long day", "without a word"),
    *("at the end of the year", "once more", "by the river"),
)


def document(number):
    """Return a few lines about one of six subjects, which has habits of its own."""
    rng = np.random.default_rng([7, number])
    subject = number % 6
    sentences = []
    for _ in range(12):
        habit = rng.random() < 0.7
        verb, thing = (
            (VERBS[subject], OBJECTS[subject]) if habit else (VERBS[rng.integers(6)], OBJECTS[rng.integers(6)])
        )
        sentences.append(f"{SUBJECTS[subject]} {verb} {thing} {ENDINGS[rng.integers(6)]}.")
    return Document(f"tale {number}", "\n".join([f"Tale {number}", "", *sentences, ""]))


@pytest.fixture(scope="session")
def tiny_corpus():
    """Return 60 documents of some 650 characters of made-up English: 40 to train on, 10 and 10 more."""
    documents = [document(number) for number in range(60)]
    train, validation, test = (tuple(documents[start:end]) for start, end in ((0, 40), (40, 50), (50, 60)))
    leakage = find_leakage(train, {"validation": validation, "test": test})
    return Corpus("tiny", train, validation, test, "tiny-corpus", leakage)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory, tiny_corpus):
    """Return a folder with a file for each document of the tiny corpus: the dataset `text:FOLDER`."""
    folder = tmp_path_factory.mktemp("tales")
    for document in (*tiny_corpus.train, *tiny_corpus.validation, *tiny_corpus.test):
        (folder / f"{document.name}.txt").write_text(document.text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("language-store"))


@pytest.fixture(scope="session")
def tiny_config(tiny_folder):
    return LanguageConfig(f"text:{tiny_folder}", vocabulary=512, epochs=2)


@pytest.fixture(scope="session")
def tiny(tiny_config, tiny_store) -> LanguageExperiment:
    return prepare_language(tiny_config, store=tiny_store)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    """Return the folder of a store that the tests of a module share."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def _in_shared_store(shared_store, monkeypatch):
    monkeypatch.setenv("RESMEM_CACHE", str(shared_store))


@pytest.fixture(scope="module")
def diabetes(shared_store):
    """Return a small regression, prepared there."""
    return prepare(ExperimentConfig("diabetes"), store=Store(shared_store))
