"""CIFAR and MNIST, fetched on first use and read by torchvision."""

from __future__ import annotations

import urllib.request
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from uuid import uuid4

import numpy as np

from resmem_core.common.errors import UnavailableError
from resmem_core.common.progress import Progress, Step
from resmem_core.data.base import DATASETS, DatasetLoader, Source, data_folder
from resmem_core.data.types import Examples

CHUNK = 1 << 18
TIMEOUT = 30  # seconds without a byte

# What torchvision raises for files that are missing, cut short or of another kind.
_UNREADABLE = (
    RuntimeError, ValueError, TypeError, AssertionError, LookupError, ArithmeticError, EOFError, OSError
)  # fmt: skip


class Archive(NamedTuple):
    """A file to fetch: from where, where to, and the MD5 it must have."""

    urls: Sequence[str]
    path: Path
    md5: str


class TorchvisionSet(DatasetLoader):
    """A dataset that torchvision reads.

    Attributes
    ----------
    torchvision_name : str
        Its class in `torchvision.datasets`.
    packed, unpacked : tuple of str
        What lies in the data folder after the download, and what is made from it; either is enough to load.
        Repeated here because importing torchvision only to look would be slow.
    """

    torchvision_name: ClassVar[str]
    packed: ClassVar[tuple[str, ...]]
    unpacked: ClassVar[tuple[str, ...]]

    def unavailable(self, argument: str | None) -> str | None:
        """Return how to fetch the files if they are not there."""
        root = data_folder()
        if any(all((root / name).exists() for name in names) for names in (self.packed, self.unpacked)):
            return None
        return f"not downloaded: run `python -m resmem_core datasets --download {self.name}`"

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Read the files in the data folder; fetch and unpack first what is missing or damaged.

        Raises
        ------
        UnavailableError
            If that fails; the message says what to put where by hand.
        """
        import torchvision.datasets

        kind = getattr(torchvision.datasets, self.torchvision_name)
        root = data_folder()
        try:
            return _read(kind, root)
        except _UNREADABLE:
            pass  # not there yet, or damaged
        self._fetch(self._archives(kind, root), progress)
        try:
            self._unpack(kind, root)
            return _read(kind, root)
        except _UNREADABLE as error:
            raise UnavailableError(
                f"{self.name} was fetched into {root}, but could not be unpacked there: {error}; "
                "check that the disk has room and can be written"
            ) from error

    @staticmethod
    @abstractmethod
    def _archives(kind: Any, root: Path) -> list[Archive]:
        """Return what torchvision would download."""

    def _unpack(self, kind: Any, root: Path) -> None:
        kind(root, download=True)  # finds the archives in place

    def _fetch(self, archives: Sequence[Archive], progress: Progress) -> None:
        """Download the archives that are not there and whole.

        torchvision could, but would neither report how far it is nor stop when asked.
        """
        from torchvision.datasets.utils import check_integrity

        for archive in archives:
            if check_integrity(archive.path, archive.md5):
                continue
            failures = self._try_urls(archive, progress)
            if failures:
                state = "is damaged" if archive.path.exists() else "is missing"
                needed = " ".join(other.urls[0] for other in archives)
                raise UnavailableError(
                    f"{self.name}: {archive.path.name} {state} in {archive.path.parent} and could not be "
                    f"downloaded ({'; '.join(failures)}). Get {needed} by other means and put it into that "
                    "folder, or use the dataset 'digits' or 'folder:PATH'"
                )

    def _try_urls(self, archive: Archive, progress: Progress) -> list[str]:
        """Download from the first address that works; return how each failed, or nothing."""
        from torchvision.datasets.utils import check_integrity

        failures = []
        draft = archive.path.with_name(f".{archive.path.name}.{uuid4().hex}")
        for url in archive.urls:
            try:
                draft.parent.mkdir(parents=True, exist_ok=True)
                _download(url, draft, f"Downloading {self.name}", progress)
                if check_integrity(draft, archive.md5):
                    draft.replace(archive.path)
                    return []
                failures.append(f"{url}: what arrived is damaged (its MD5 is not {archive.md5})")
            except (OSError, HTTPException) as error:
                failures.append(f"{url}: {error}")
            finally:
                with suppress(OSError):
                    draft.unlink(missing_ok=True)
        return failures


def _download(url: str, path: Path, stage: str, progress: Progress) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "resmem-lab"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, path.open("wb") as stream:
        total = int(response.headers.get("Content-Length") or 0)
        done = 0
        while True:
            progress(Step(stage, done, total, f"{done / 1e6:.1f} MB"))
            if not (chunk := response.read(CHUNK)):
                return
            stream.write(chunk)
            done += len(chunk)


def _read(kind: Any, root: Path) -> Source:
    train, test = kind(root, train=True), kind(root, train=False)
    names = tuple(name.partition(" - ")[0] for name in train.classes)  # MNIST calls its digits "7 - seven"
    return Source(names, _examples(train), test=_examples(test))


def _examples(data: Any) -> Examples:
    images = np.asarray(data.data)
    channels_first = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return Examples(np.asarray(data.targets, dtype=np.int64), np.ascontiguousarray(channels_first))


class _Cifar(TorchvisionSet):
    @staticmethod
    def _archives(kind: Any, root: Path) -> list[Archive]:
        return [Archive([kind.url], root / kind.filename, kind.tgz_md5)]


class Cifar10(_Cifar):
    """Krizhevsky, "Learning multiple layers of features from tiny images", 2009."""

    name = "cifar10"
    summary = "60,000 photos, 32x32 colour, 10 classes; 170 MB to download"
    torchvision_name = "CIFAR10"
    packed = ("cifar-10-python.tar.gz",)
    unpacked = ("cifar-10-batches-py",)


class Cifar100(_Cifar):
    """The same photos' larger sibling, with 100 classes."""

    name = "cifar100"
    summary = "60,000 photos, 32x32 colour, 100 classes; 169 MB to download"
    torchvision_name = "CIFAR100"
    packed = ("cifar-100-python.tar.gz",)
    unpacked = ("cifar-100-python",)


_IDX_FILES = tuple(
    f"{part}-{content}-ubyte" for part in ("train", "t10k") for content in ("images-idx3", "labels-idx1")
)


class _Mnist(TorchvisionSet):
    def __init_subclass__(cls) -> None:
        cls.unpacked = tuple(f"{cls.torchvision_name}/raw/{file}" for file in _IDX_FILES)
        cls.packed = tuple(f"{file}.gz" for file in cls.unpacked)

    @staticmethod
    def _archives(kind: Any, root: Path) -> list[Archive]:
        folder = root / kind.__name__ / "raw"
        return [Archive([mirror + file for mirror in kind.mirrors], folder / file, md5) for file, md5 in kind.resources]

    def _unpack(self, kind: Any, root: Path) -> None:
        for file in self.unpacked:  # torchvision would keep damaged ones
            (root / file).unlink(missing_ok=True)
        super()._unpack(kind, root)


class Mnist(_Mnist):
    """LeCun et al., "Gradient-based learning applied to document recognition", 1998."""

    name = "mnist"
    summary = "70,000 handwritten digits, 28x28 grey, 10 classes; 12 MB to download"
    torchvision_name = "MNIST"


class FashionMnist(_Mnist):
    """Xiao et al., "Fashion-MNIST: a novel image dataset", 2017."""

    name = "fashion-mnist"
    summary = "70,000 pictures of clothes, 28x28 grey, 10 classes; 31 MB to download"
    torchvision_name = "FashionMNIST"


for _loader in (Cifar10(), Cifar100(), Mnist(), FashionMnist()):
    DATASETS.register(_loader.name, _loader)
