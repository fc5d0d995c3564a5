import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import urllib.error
import urllib.request
from unittest.mock import Mock

import numpy as np
import pytest
import torchvision.datasets as tv

from resmem_core.common.errors import Cancelled, UnavailableError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS

NAMES = ["cifar10", "cifar100", "mnist", "fashion-mnist"]


def md5(data):
    return hashlib.md5(data).hexdigest()


def add(archive, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def publish_cifar(kind, server, monkeypatch, rng, n_classes, label_key):
    """Put a small archive in torchvision's format on the "server"; return its arrays."""
    stream, arrays, lists = io.BytesIO(), {}, {}
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for part in ("train_list", "test_list"):
            files = [name for name, _ in getattr(kind, part)]
            lists[part], images, labels = [], [], []
            for name in files:
                pixels = rng.integers(0, 256, (2 * n_classes, 3072), dtype=np.uint8)
                classes = rng.permutation(np.repeat(np.arange(n_classes), 2))
                data = pickle.dumps({"data": pixels, label_key: classes.tolist()})
                add(archive, f"{kind.base_folder}/{name}", data)
                lists[part].append([name, md5(data)])
                images.append(pixels.reshape(-1, 3, 32, 32))
                labels.append(classes)
            arrays[part.partition("_")[0]] = np.concatenate(images), np.concatenate(labels)
        meta = pickle.dumps({kind.meta["key"]: [f"class {c}" for c in range(n_classes)]})
        add(archive, f"{kind.base_folder}/{kind.meta['filename']}", meta)
    (server / kind.filename).write_bytes(stream.getvalue())
    monkeypatch.setattr(kind, "url", (server / kind.filename).as_uri())
    monkeypatch.setattr(kind, "tgz_md5", md5(stream.getvalue()))
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(meta)})
    for part, files in lists.items():
        monkeypatch.setattr(kind, part, files)
    return arrays


def publish_mnist(kind, server, monkeypatch, rng):
    arrays, resources = {}, []
    for part, prefix, n in (("train", "train", 40), ("test", "t10k", 20)):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = rng.permutation(np.arange(n) % 10).astype(np.uint8)
        files = {
            f"{prefix}-images-idx3-ubyte.gz": struct.pack(">IIII", 0x803, n, 28, 28) + images.tobytes(),
            f"{prefix}-labels-idx1-ubyte.gz": struct.pack(">II", 0x801, n) + labels.tobytes(),
        }
        for name, data in files.items():
            packed = gzip.compress(data)
            (server / name).write_bytes(packed)
            resources.append((name, md5(packed)))
        arrays[part] = images[:, None], labels
    monkeypatch.setattr(kind, "mirrors", [(server / "gone").as_uri() + "/", server.as_uri() + "/"])
    monkeypatch.setattr(kind, "resources", resources)
    return arrays


@pytest.fixture
def server(tmp_path_factory):
    return tmp_path_factory.mktemp("server")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("RESMEM_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def publish(server, data, monkeypatch):
    rng = np.random.default_rng(0)

    def by_name(name):
        if name == "cifar10":
            return publish_cifar(tv.CIFAR10, server, monkeypatch, rng, 10, "labels")
        if name == "cifar100":
            return publish_cifar(tv.CIFAR100, server, monkeypatch, rng, 100, "fine_labels")
        return publish_mnist(tv.MNIST if name == "mnist" else tv.FashionMNIST, server, monkeypatch, rng)

    return by_name


@pytest.fixture
def offline(monkeypatch):
    refuse = Mock(side_effect=urllib.error.URLError("no route to host"))
    return lambda: monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.mark.parametrize(("name", "first"), [*zip(NAMES, ["class 0", "class 0", "0", "T-shirt/top"], strict=True)])
def test_downloads_and_reads(name, first, publish, data, offline):
    arrays = publish(name)
    loader = DATASETS.get(name)
    assert f"datasets --download {name}" in loader.unavailable(None)

    steps = []
    source = loader.load(None, steps.append)
    assert steps[0].stage == f"Downloading {name}"
    assert any(0 < step.done == step.total for step in steps)
    assert loader.unavailable(None) is None
    assert source.class_names[0] == first
    for part in ("train", "test"):
        images, labels = arrays[part]
        examples = getattr(source, part)
        assert np.array_equal(examples.images, images)
        assert np.array_equal(examples.labels, labels)
        assert examples.names.tolist() == [f"{part} {row}" for row in range(len(labels))]

    offline()  # now it is there
    steps.clear()
    again = loader.load(None, steps.append)
    assert steps == []
    assert np.array_equal(again.train.images, source.train.images)
    assert [path.name for path in data.rglob(".*")] == []  # no drafts left


@pytest.mark.parametrize("name", NAMES)
def test_without_a_network_says_what_to_do(name, publish, data, offline):
    publish(name)
    offline()
    with pytest.raises(UnavailableError) as caught:
        DATASETS.get(name).load(None, silent)
    said = str(caught.value)
    for part in (name, "no route to host", str(data), "file://", "digits", "folder:PATH", ".gz", "is missing"):
        assert part in said
    assert [path for path in data.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_archives_put_in_place_by_hand_are_enough(name, publish, server, data, offline):
    arrays = publish(name)
    place = data if "cifar" in name else data / {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name] / "raw"
    place.mkdir(parents=True)
    for file in server.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    offline()
    loader = DATASETS.get(name)
    assert loader.unavailable(None) is None
    assert len(loader.load(None, silent).train) == len(arrays["train"][1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("keep", [0, 3, 50, None])
def test_a_part_of_an_archive_is_fetched_again_and_damaged_files_are_unpacked_again(name, keep, publish, data, offline):
    publish(name)
    whole = DATASETS.get(name).load(None, silent)
    for file in [path for path in data.rglob("*") if path.is_file()]:
        if keep is None:  # of what was unpacked; and only 100 bytes of the archive
            file.write_bytes(file.read_bytes()[:100]) if file.suffix == ".gz" else file.unlink()
        elif file.suffix != ".gz":
            file.write_bytes(file.read_bytes()[:keep])
    if keep is not None:
        offline()  # the archives are whole
    again = DATASETS.get(name).load(None, silent)
    assert np.array_equal(again.train.images, whole.train.images)
    assert np.array_equal(again.test.labels, whole.test.labels)


def test_a_damaged_archive_without_a_network_is_called_damaged(publish, data, offline):
    publish("cifar10")
    data.mkdir()
    (data / "cifar-10-python.tar.gz").write_bytes(b"half")
    offline()
    with pytest.raises(UnavailableError, match=r"cifar-10-python.tar.gz is damaged"):
        DATASETS.get("cifar10").load(None, silent)
    assert (data / "cifar-10-python.tar.gz").read_bytes() == b"half"


def test_what_fails_leaves_nothing(publish, server, data):
    publish("cifar10")

    def cancel(step):
        if step.done:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        DATASETS.get("cifar10").load(None, cancel)
    assert list(data.iterdir()) == []
    (server / "cifar-10-python.tar.gz").write_bytes(b"a login page")
    with pytest.raises(UnavailableError, match="what arrived is damaged"):
        DATASETS.get("cifar10").load(None, silent)
    assert list(data.iterdir()) == []
    data.rmdir()
    data.write_text("a file in the way")
    with pytest.raises(UnavailableError, match="cifar10"):
        DATASETS.get("cifar10").load(None, silent)
