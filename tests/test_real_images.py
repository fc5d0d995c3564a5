"""On real photographs, where they are at hand: `RESMEM_DATA` names a folder with `cifar10-jpeg.tar.xz`."""

import tarfile

import pytest

from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare


@pytest.fixture(scope="module")
def photographs(tmp_path_factory, cifar_archive):
    folder = tmp_path_factory.mktemp("cifar10")
    with tarfile.open(cifar_archive) as archive:
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
