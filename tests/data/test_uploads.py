"""Uploads: what is taken, what is refused before it is read, and who may see and delete what."""

import gzip
import json
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import feather, parquet
from safetensors.numpy import save

from resmem_core.common.errors import DatasetError, InvalidParameterError, StoreError, UnavailableError
from resmem_core.common.store import Store
from resmem_core.data import DATASETS, dataset_title, load_dataset
from resmem_core.data import uploads as module
from resmem_core.data.example_files import CLASSES, EXAMPLES, ROWS, D, example_file
from resmem_core.data.uploads import KINDS, Uploads, describe, find, shown_name
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params
from resmem_core.plots.report import file_stem, report_html
from tests.data.made import Trap, arrays_of


@pytest.fixture
def store():
    return Store()  # the test's own, and where the loader looks


@pytest.fixture
def mine():
    return Uploads("me")


def files(store):
    return sorted(path for path in store.own_path("uploads").rglob("*") if path.is_file() and path.name != ".lock")


ARRAYS = {**arrays_of("train", 12, 0), **arrays_of("test", 12, 1)}


def npz(**arrays):
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def test_people_see_the_name_of_the_file(mine):
    upload = mine.add("my data.csv", example_file(".csv"))
    config = ExperimentConfig(upload.dataset)
    assert dataset_title(upload.dataset) == load_dataset(upload.dataset).name == "my data.csv"
    assert config.title == "precomputed on my data.csv"
    assert describe(upload.id) == upload
    experiment = prepare(config)
    page = report_html(experiment, experiment.evaluate(Params(3, 0.5)))
    assert page.count("my data.csv") == 3  # in the title, the heading and the settings
    assert page.count(upload.id) == 1  # in the command
    assert file_stem(experiment) == "resmem-my data.csv-precomputed-seed0"
    assert file_stem(experiment.edited(Edits((1,)))).endswith("-seed0-edited")
    mine.delete(upload.id)
    assert describe(upload.id) is None
    assert dataset_title(upload.dataset) == upload.dataset


@pytest.mark.parametrize(
    "spec", ["digits", "folder:/no/such", "upload:" + "0" * 32, "upload:../x", "gone:x", "text:/x.txt", ""]
)
def test_every_dataset_is_called_something(spec):
    assert dataset_title(spec) == spec


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_examples_are_taken_described_and_load_alike(mine, kind):
    upload = mine.add(f"my data{kind}", example_file(kind))
    assert upload == mine.list()[0]
    assert (upload.name, upload.kind, upload.size) == (f"my data{kind}", kind, len(example_file(kind)))
    assert (upload.rows, upload.dimensions, upload.classes) == (ROWS, D, 3)
    assert len(upload.notes) == (kind == ".parquet")  # which classes its lists of logits mean
    dataset = load_dataset(upload.dataset)
    assert dataset.class_names == CLASSES
    reference = load_dataset(mine.add("a.npz", example_file(".npz")).dataset)
    for part in ROWS:
        one, other = getattr(dataset, part), getattr(reference, part)
        assert np.array_equal(one.labels, other.labels)
        assert np.allclose(one.embeddings, other.embeddings)
        assert np.allclose(one.logits, other.logits)


OTHERS = {
    ".pt": lambda: tensors(),
    ".pth": lambda: tensors(),
    ".safetensors": lambda: save(ARRAYS),
    ".feather": lambda: feathered(**dict(parquet.read_table(BytesIO(example_file(".parquet"))).to_pydict())),
    ".arrow": lambda: feathered(**dict(parquet.read_table(BytesIO(example_file(".parquet"))).to_pydict())),
    ".tsv": lambda: example_file(".csv").replace(b",", b"\t"),
    ".csv.gz": lambda: gzip.compress(example_file(".csv")),
    ".tsv.gz": lambda: gzip.compress(example_file(".csv").replace(b",", b"\t")),
}


@pytest.mark.parametrize("kind", sorted({*KINDS} - {*EXAMPLES}))
def test_files_of_every_other_kind_are_taken(mine, kind):
    upload = mine.add(f"Mine{kind.upper()}", OTHERS[kind]())
    assert (upload.name, upload.kind) == (f"Mine{kind.upper()}", kind)
    assert load_dataset(upload.dataset).n_classes == upload.classes


def test_torch_files_are_not_unpickled(mine, tmp_path):
    with pytest.raises(DatasetError, match=r"^a\.pt: it cannot be read as tensors alone: Unsupported global"):
        mine.add("a.pt", tensors(more=Trap(tmp_path / "sprung")))
    old = BytesIO()
    torch.save({"a": torch.zeros(2)}, old, _use_new_zipfile_serialization=False)
    with pytest.raises(DatasetError, match=r"^a\.pt: it is no file of torch\.save, or one of torch before 1\.6"):
        mine.add("a.pt", old.getvalue())
    assert not (tmp_path / "sprung").exists()


def test_visitors_are_kept_apart(mine, store):
    upload, other = mine.add("a.csv", example_file(".csv")), Uploads("you")
    assert other.list() == ()
    assert not other.delete(upload.id)
    assert find(upload.id).read_bytes() == example_file(".csv")  # who knows the id may look
    assert load_dataset(upload.dataset).n_classes == 3
    assert [found.id for found in Uploads("me").list()] == [upload.id]
    assert b"me" not in str(files(store)[0].relative_to(store.root)).encode()
    with pytest.raises(InvalidParameterError, match="must name somebody"):
        Uploads("")


def test_deleting_removes_everything_made_from_it(mine, store):
    upload = mine.add("a.npz", example_file(".npz"))
    kept = mine.add("b.npz", npz(**ARRAYS))
    own = prepare(ExperimentConfig(kept.dataset), store=store)
    own.tune()
    before = set(store.paths())
    for seed in (0, 1):
        experiment = prepare(ExperimentConfig(upload.dataset, seed=seed, limit_train=50), store=store)
        experiment.tune()
    assert len(set(store.paths()) - before) >= 6
    assert mine.delete(upload.id)
    assert set(store.paths()) == before
    assert find(upload.id) is None
    assert [found.id for found in mine.list()] == [kept.id]
    assert "deleted by its owner" in DATASETS.get("upload").unavailable(upload.id)
    with pytest.raises(UnavailableError, match="deleted by its owner"):
        load_dataset(upload.dataset)
    assert not mine.delete(upload.id)


def test_clearing_the_store_keeps_uploads(mine, store):
    upload = mine.add("a.csv", example_file(".csv"))
    prepare(ExperimentConfig(upload.dataset), store=store)
    store.clear()
    assert store.paths() == []
    assert load_dataset(upload.dataset).n_classes == 3


NO_IDS = ["", ".", "..", "../..", "*", "?" * 32, "[0-9a-f]" * 32, "A" * 32, "a" * 31, "a" * 33, "a" * 32 + "\n", "/x"]


@pytest.mark.parametrize("identity", NO_IDS)
def test_no_other_id_leads_anywhere(mine, store, identity):
    mine.add("a.csv", example_file(".csv"))
    before = files(store)
    assert find(identity) is None
    assert not mine.delete(identity)
    assert DATASETS.get("upload").unavailable(identity) is not None
    with pytest.raises(UnavailableError):
        DATASETS.get("upload").load(identity, lambda step: None)
    DATASETS.get("upload").made(identity, "a" * 24)
    assert files(store) == before


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mine.csv", "mine.csv"),
        ("../../etc/passwd.csv", "passwd.csv"),
        (r"C:\data\mine (2).npz", "mine (2).npz"),
        ("[x](http://y).csv", "y).csv"),
        ("<b>a</b>`$.csv", "b___.csv"),
        ("größe 1.csv", "größe 1.csv"),
        ("a" * 300 + ".csv", "a" * 60 + ".csv"),
        ("\x00\n.csv", "__.csv"),
        ("", "file"),
    ],
)
def test_names_are_cleaned(name, shown):
    assert shown_name(name) == shown


class TestLimits:
    def test_size_before_anything_is_read_or_written(self, mine, store, monkeypatch):
        monkeypatch.setenv("RESMEM_UPLOAD_MB", "1")
        with pytest.raises(DatasetError, match=r"a\.csv has 1\.1 MB; at most 1\.0 MB"):
            mine.add("a.csv", b"x" * 1_100_000)
        assert not store.root.exists()

    @pytest.mark.parametrize("value", ["many", "-1", "0", "1.5", "²"])
    def test_a_limit_that_is_none(self, monkeypatch, value):
        monkeypatch.setenv("RESMEM_UPLOAD_MB", value)
        with pytest.raises(InvalidParameterError, match="RESMEM_UPLOAD_MB"):
            module.max_bytes()

    def test_number_of_files_and_their_total(self, mine, monkeypatch):
        monkeypatch.setattr(module, "MAX_FILES", 2)
        first, _ = (mine.add("a.csv", example_file(".csv")) for _ in range(2))
        with pytest.raises(InvalidParameterError, match="2 files"):
            mine.add("a.csv", example_file(".csv"))
        Uploads("you").add("a.csv", example_file(".csv"))
        mine.delete(first.id)
        mine.add("a.csv", example_file(".csv"))
        monkeypatch.setattr(module, "MAX_FILES", 99)
        monkeypatch.setattr(module, "max_bytes", lambda: len(example_file(".csv")))
        monkeypatch.setattr(module, "UNPACKED", 99)
        monkeypatch.setattr(module, "TOTAL", 2)
        with pytest.raises(InvalidParameterError, match="at most"):
            mine.add("a.csv", example_file(".csv"))
        assert len(mine.list()) == 2

    def test_two_tabs_at_once_do_not_pass_the_limit_together(self, mine, monkeypatch):
        monkeypatch.setattr(module, "MAX_FILES", 3)
        with ThreadPoolExecutor(6) as pool:
            adding = [pool.submit(Uploads("me").add, "a.csv", example_file(".csv")) for _ in range(6)]
        refused = [isinstance(one.exception(), InvalidParameterError) for one in adding]
        assert (len(mine.list()), sum(refused)) == (3, 3)

    def test_what_a_killed_process_left_is_removed(self, mine):
        upload = mine.add("a.csv", example_file(".csv"))
        left = find(upload.id).parents[1] / f"{'b' * 32}.draft"
        left.mkdir()
        (left / "data.csv").write_text("half")
        assert [found.id for found in mine.list()] == [upload.id]
        mine.add("a.csv", example_file(".csv"))
        assert not left.exists()

    def test_a_disk_that_is_full_leaves_nothing(self, mine, store, monkeypatch):
        def write(path, content):
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr(module, "write_whole", write)
        with pytest.raises(StoreError, match="No space"):
            mine.add("a.csv", example_file(".csv"))
        assert files(store) == []


def lying_directory():
    """An archive whose directory says that a member is larger than it is."""
    content = bytearray(npz(**ARRAYS))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 2**31)
    return bytes(content)


def zipped(members, begun=b"", method=zipfile.ZIP_STORED):
    """Return an archive with these members besides those it begins with."""
    buffer = BytesIO(begun)
    with zipfile.ZipFile(buffer, "a", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def promising(shape):
    """An archive with an array whose header promises more than there is."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    return zipped({"validation_embeddings.npy": member}, npz(**ARRAYS))


def one_value(rows, **columns):
    buffer = BytesIO()
    data = {"label": pa.array(["a", "b"] * (rows // 2)).dictionary_encode(), "e0": pa.array(np.zeros(rows, np.float32))}
    parquet.write_table(pa.table({**data, **columns}), buffer)
    return buffer.getvalue()


def tensors(**more):
    buffer = BytesIO()
    torch.save({**{name: torch.from_numpy(array) for name, array in ARRAYS.items()}, **more}, buffer)
    return buffer.getvalue()


def feathered(**columns):
    buffer = BytesIO()
    feather.write_feather(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def repacked(content):
    """Return an archive with the same members, compressed."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return zipped({name: archive.read(name) for name in archive.namelist()}, method=zipfile.ZIP_DEFLATED)


SMALL = pa.list_(pa.int8())
SPARSE = torch.sparse_coo_tensor([[0], [0]], [1.0], (12, 10**9))
BOMBS = {
    "sparse tensors": (".pt", lambda: tensors(train_images=SPARSE), "unpack"),
    "tensors that repeat a value": (".pth", lambda: tensors(more=torch.zeros(1).expand(10**7, 9)), "unpack"),
    "a compressed torch file": (".pt", lambda: repacked(tensors(more=torch.zeros(10**6))), "compressed, as torch.save"),
    "many rows of tensors": (".pt", lambda: tensors(y_val=torch.zeros(30_000, dtype=torch.uint8)), "30,0.. rows"),
    "small tensors": (".safetensors", lambda: save({"x": np.zeros((9, 10**5), np.int8)}), "unpack"),
    "packed CSV": (".csv.gz", lambda: gzip.compress(b"label,e0\n" + b" " * 10**8), "unpack to 1.0 MB"),
    "packed tabs": (".tsv.gz", lambda: gzip.compress(b"label\te0\n" + b"\t" * 140_000), "unpack"),
    "packed Feather": (".feather", lambda: feathered(label=["a"] * 2, e0=[[0.0] * 10**5] * 2), "unpack"),
    "small numbers of Arrow": (".arrow", lambda: feathered(label=["a"], e0=pa.array([[0] * 300_000], SMALL)), "unpack"),
    "many rows of Feather": (".feather", lambda: feathered(e0=np.zeros(30_000, np.int8)), "30,000 rows"),
    "views of text": (".feather", lambda: feathered(label=pa.array(["a"], pa.string_view())), "a view of text"),
    "zip of zeros": (".npz", lambda: npz(**ARRAYS, train_images=np.zeros((12, 1000, 1000), np.uint8)), "unpack"),
    "small numbers": (".npz", lambda: npz(**ARRAYS, validation_embeddings=np.zeros((9, 10**5), np.int8)), "unpack"),
    "a directory that lies": (".npz", lying_directory, "unpack"),
    "a header that lies": (".npz", lambda: promising((10**15, 4)), "promises 16000000000000000 bytes and has"),
    "many rows": (".npz", lambda: npz(**ARRAYS, validation_labels=np.zeros(30_000, np.uint8)), "30,0.. rows"),
    "many rows, called otherwise": (".npz", lambda: npz(**ARRAYS, Val_Y=np.zeros(30_000, np.uint8)), "30,0.. rows"),
    "many members": (".npz", lambda: zipped({str(number): b"" for number in range(1001)}), "more than 1000 arrays"),
    "LZMA": (".npz", lambda: zipped({"a": b"x" * 1000}, method=zipfile.ZIP_LZMA), "compressed in another way"),
    "repeated value": (".parquet", lambda: one_value(140_000), "unpack|rows"),
    "long text": (".parquet", lambda: one_value(2000, name=pa.array(["x" * 9000] * 2000)), "characters"),
    "CSV of commas": (".csv", lambda: b"label,e0\n" + b"," * 140_000, "unpack"),
    "CSV of lines": (".csv", lambda: b"label,e0\n" + b"a,1\n" * 30_000, "30,001 rows"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_what_is_small_on_disk_and_large_in_memory_is_refused(mine, store, monkeypatch, case):
    monkeypatch.setenv("RESMEM_UPLOAD_MB", "1")
    monkeypatch.setattr(module, "UNPACKED", 1)
    monkeypatch.setattr(module, "MAX_ROWS", 25_000)
    kind, make, said = BOMBS[case]
    content = make()
    assert len(content) <= 10**6
    with pytest.raises(DatasetError, match=said):
        mine.add(f"bomb{kind}", content)
    assert files(store) == []


def test_many_classes_without_logits_are_refused(mine, store, monkeypatch):
    monkeypatch.setattr(module, "max_bytes", lambda: 40_000)
    text = "label,e0\n" + "".join(f"{row % 500},{row}\n" for row in range(3000))
    with pytest.raises(DatasetError, match="3000 rows in 500 classes"):
        mine.add("a.csv", text.encode())
    assert files(store) == []


def test_nothing_is_ever_unpickled(mine, tmp_path):
    trap = np.array([Trap(tmp_path / "sprung")] * 12, dtype=object)
    with pytest.raises(DatasetError, match=r"a\.npz: train_labels cannot be read"):
        mine.add("a.npz", npz(**{**ARRAYS, "train_labels": trap}))
    assert mine.add("a.npz", npz(**ARRAYS, something_else=trap)).notes[-1].startswith("unknown arrays were ignored")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"label,e0\n", r"a\.txt ends in '\.txt'; expected one of: \.npz, \.safetensors, \.pt, .*\.parquet"),
        ("a", b"", "ends in ''"),
        ("a.npz", b"", r"a\.npz is damaged"),
        ("a.npz", example_file(".csv"), r"a\.npz is damaged"),
        ("a.npz", example_file(".npz")[:-400], r"a\.npz is damaged"),
        ("a.npz", example_file(".npz")[400:], r"a\.npz"),
        ("a.parquet", example_file(".csv"), r"a\.parquet is damaged"),
        ("a.parquet", example_file(".parquet")[:-9], r"a\.parquet is damaged"),
        ("a.csv", example_file(".npz"), r"^a\.csv is not a \.csv file, but an \.npz file; it should be called \.npz"),
        ("a.npz", zipped({"a/data.pkl": b""}), r"^a\.npz is not an \.npz file, but a torch file .*called \.pt"),
        ("a.npz", b"\x80\x04N.", r"^a\.npz is not an \.npz file, but a pickle"),
        ("a.csv", "label,e0\n".encode("utf-16"), r"^a\.csv is not a \.csv file, but text in UTF-16"),
        ("a.parquet", b"ARROW1\0\0", r"^a\.parquet is not a \.parquet file, but an Arrow \(Feather\) file"),
        ("a.csv", b"label,e0\na,1\nb,\n", r"^a\.csv: column 'e0' has an empty cell or NaN in row 1"),
        ("../a.csv", b"label,e0\n" + b"x,1\n" * 9, r"^dataset 'a\.csv' has 1 class"),
    ],
)
def test_mistakes_are_told_by_the_files_own_name_and_nothing_is_kept(mine, store, name, content, said):
    with pytest.raises(DatasetError, match=said) as caught:
        mine.add(name, content)
    assert str(store.root) not in str(caught.value)
    assert files(store) == []


def test_a_damaged_description_or_file_is_not_listed_or_told(mine):
    upload = mine.add("a.csv", example_file(".csv"))
    path = find(upload.id)
    path.write_bytes(b"label,e0\na,x\n")
    with pytest.raises(DatasetError, match=r"^the upload: column 'e0'"):
        load_dataset(upload.dataset)
    for text in ("", "[]", json.dumps({"id": 1}), "{"):
        (path.parent / "upload.json").write_text(text)
        assert mine.list() == ()


def test_what_logits_of_an_upload_are_can_be_said(mine, store):
    upload = mine.add("a.npz", npz(**{k: np.full_like(a, 1 / 3) if "logits" in k else a for k, a in ARRAYS.items()}))
    told, raw = (load_dataset(f"{upload.dataset}{asked}") for asked in ("", "?logits=raw"))
    assert any("as probabilities do" in note for note in told.notes)
    assert raw.name == "a.npz"
    assert np.allclose(raw.train.logits, 1 / 3)
    assert np.allclose(told.train.logits, np.log(1 / 3))
    with pytest.raises(InvalidParameterError, match=r"^'the upload': logits='x' must be one of"):
        load_dataset(f"{upload.dataset}?logits=x")
    assert {dataset.fingerprint for dataset in (told, raw)} <= {file.name for file in files(store)}  # and are deleted
    with pytest.raises(UnavailableError, match="is not there"):
        load_dataset(f"upload:{'0' * 32}?logits=raw")


def test_the_table_of_an_example_reads_as_a_person_writes_it():
    table = pd.read_csv(BytesIO(example_file(".csv")))
    assert list(table.columns[:4]) == ["name", "split", "label", "embedding_0"]
    assert len(table) == sum(ROWS.values())
