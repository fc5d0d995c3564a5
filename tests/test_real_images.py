"""On real photographs, where they are at hand: `RESMEM_DATA` names a folder with `cifar10-jpeg.tar.xz`."""

import os
import tarfile
from pathlib import Path

import pytest

from resmem_core.experiment import ExperimentConfig, prepare
from resmem_core.store import Store

ARCHIVE = Path(os.environ.get("RESMEM_DATA", "")) / "cifar10-jpeg.tar.xz"  # read before a fixture hides it


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    if not ARCHIVE.is_file():
        pytest.skip("NO REAL IMAGES: set RESMEM_DATA to a folder with cifar10-jpeg.tar.xz to run this")
    folder = tmp_path_factory.mktemp("cifar10")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.timeout(900)
def test_the_shipped_resnet8_gains_from_memory_on_cifar10(photographs, tmp_path):
    config = ExperimentConfig(dataset=f"folder:{photographs}", backbone="resnet8")
    found = prepare(config, store=Store(tmp_path))
    assert found.base.origin == "shipped"
    assert [len(part) for part in (found.memory, found.validation, found.test)] == [45_000, 5_000, 10_000]
    evaluation = found.evaluate(found.tune().params)
    assert evaluation.accuracy["base"] >= 0.78
    assert evaluation.delta_ci95[0] > 0
