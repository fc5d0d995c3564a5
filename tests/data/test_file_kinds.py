import gzip
import pickle
import zipfile
from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import feather
from safetensors.numpy import save

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS
from resmem_core.data.file_kinds import other_kind
from tests.data.made import Trap

ARRAYS = {"train_embeddings": np.zeros((3, 2), np.float32)}


def written(write, *more, **options):
    """Return what a function writes into a stream."""
    stream = BytesIO()
    write(*more, stream, **options)
    return stream.getvalue()


def zipped(*names):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"{}")
    return stream.getvalue()


FILES = {
    "torch": (written(torch.save, {"a": torch.zeros(2)}), "a torch file (torch.save); it should be called .pt"),
    "old torch": (written(torch.save, {"a": 1}, _use_new_zipfile_serialization=False), "a pickle"),
    "pickle": (pickle.dumps(ARRAYS), "a pickle, as older torch files are, too, and is not opened"),
    "safetensors": (save(ARRAYS), "a safetensors file; it should be called .safetensors"),
    "npy": (written(lambda stream: np.save(stream, ARRAYS["train_embeddings"])), "a single array in an .npy file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "feather": (written(feather.write_feather, pa.table({"a": [1]})), "an Arrow (Feather) file"),
    "Excel": (
        zipped("[Content_Types].xml", "xl/workbook.xml"),
        "a document of Microsoft Office, such as an Excel workbook",
    ),
    "Keras": (zipped("metadata.json", "config.json", "model.weights.h5"), "a Keras model"),
    "pictures": (zipped("cat/1.png", "cat/2.png"), "a ZIP archive of other files; unpack it"),
    "gzip": (gzip.compress(b"a,b"), "packed with gzip"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "text in UTF-16; save it as UTF-8"),
}


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize(("ending", "loader"), [(".npz", "arrays"), (".csv", "table"), (".parquet", "table")])
def test_the_kind_of_file_is_named_first_with_what_to_do(tmp_path, case, ending, loader):
    content, said = FILES[case]
    path = tmp_path / f"mine{ending}"
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        DATASETS.get(loader).load(str(path), silent)
    begins = f"{path} is not {'an' if ending == '.npz' else 'a'} {ending} file, but {said}"
    assert str(caught.value).startswith(begins)


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (written(lambda stream: np.savez(stream, **ARRAYS)), ".npz"),
        (written(lambda stream: np.savez(stream)), ".npz"),
        (pd.DataFrame({"a": [1]}).to_parquet(), ".parquet"),
        (b"a,b\n1,2\n", ".csv"),
        ("é;ü".encode("latin1"), ".csv"),
        (b"", ".csv"),
        (b"PK\x03\x04 cut short", ".npz"),
        (save(ARRAYS), ".safetensors"),
        (written(torch.save, {"a": 1}, _use_new_zipfile_serialization=False), ".pth"),
    ],
)
def test_what_it_is_called_and_what_is_not_known_is_left_to_its_reader(content, ending):
    assert other_kind(BytesIO(content), ending) is None


def test_how_long_the_header_of_safetensors_is_makes_it_nothing_else():
    begins = {(content := save(ARRAYS, {"a": " " * n}))[0]: content for n in range(256)}
    assert 0x80 in begins  # as a pickle
    assert all(other_kind(BytesIO(content), ".safetensors") is None for content in begins.values())


def test_nothing_is_unpickled(tmp_path):
    trap = tmp_path / "sprung"
    (tmp_path / "mine.npz").write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(DatasetError, match="is not opened: that would run what is in it"):
        DATASETS.get("arrays").load(str(tmp_path / "mine.npz"), silent)
    assert not trap.exists()


@pytest.mark.parametrize("loader", ["arrays", "table"])
def test_a_folder_that_save_to_disk_wrote_is_named(tmp_path, loader):
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(
        DatasetError, match=r"a folder that save_to_disk of Hugging Face's datasets wrote \(give all of it"
    ):
        DATASETS.get(loader).load(str(tmp_path), silent)
