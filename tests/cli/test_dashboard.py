"""`launch`: the checks before anything starts, and a real server that comes and goes."""

import stat
import urllib.request
from io import BytesIO
from unittest.mock import Mock
from urllib.parse import parse_qs, urlparse

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file
from scipy.sparse import csr_matrix

import resmem_core
from resmem_core.cli import dashboard
from resmem_core.common.errors import DatasetError, InvalidParameterError, ResMemError, StoreError, UnavailableError
from resmem_core.common.progress import silent
from resmem_core.data import parse_spec
from resmem_core.data.example_files import example_file
from resmem_core.experiment.runs import Runs
from tests.data.made import arrays_of, without_logits


def arrays():
    return without_logits({**arrays_of("train", 40, 0, d=3, c=2), **arrays_of("test", 40, 1, d=3, c=2)})


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """Where copies of the data go, to see that none stays."""
    monkeypatch.setattr(dashboard.tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def served(monkeypatch):
    """Serve nothing, and return what would have been."""
    seen = []

    def serve(folder, host, port, dataset):
        seen.append((folder, host, port, dataset))
        return "http://there", Mock()

    monkeypatch.setattr(dashboard, "_served", serve)
    monkeypatch.setattr(dashboard.webbrowser, "open", lambda url: seen.append(url))
    return seen


def test_a_server_comes_up_on_the_data_and_goes(folders):
    with resmem_core.launch(**arrays(), open_browser=False) as running:
        address = urlparse(running.url)
        assert address.hostname == "127.0.0.1"
        assert running.url in repr(running)
        assert urllib.request.urlopen(running.url, timeout=10).status == 200
        (dataset,) = parse_qs(address.query)["dataset"]
        (folder,) = folders.iterdir()
        assert dataset == f"arrays:{folder}/arrays.npz"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        taken = address.port
        with pytest.raises(InvalidParameterError, match=f"port={taken} cannot be listened at"):
            resmem_core.launch(**arrays(), port=taken, open_browser=False)
    assert not running.running
    assert "stopped" in repr(running)
    assert list(folders.iterdir()) == []
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(running.url, timeout=10)
    running.stop()


def test_it_is_a_name_of_the_package_however_often_it_is_asked_for():
    for _ in range(2):
        from resmem_core import launch

        assert launch is dashboard.launch


def test_the_browser_opens_and_stopping_forgets(served, folders):
    running = resmem_core.launch(**arrays())
    (folder, host, port, dataset), opened = served
    assert (host, port, opened) == ("127.0.0.1", None, running.url)
    experiment = resmem_core.prepare(resmem_core.ExperimentConfig(dataset))
    params = experiment.default_params()
    Runs().record(experiment, params, experiment.evaluate(params), tuned=False)
    running.stop()
    assert Runs().list() == ()
    assert not folder.exists()


@pytest.mark.parametrize("kind", [".npz", ".csv", ".parquet"])
def test_files_are_shown_where_they_lie(served, folders, kind):
    path = folders / f"mine{kind}"
    path.write_bytes(example_file(kind))
    resmem_core.launch(path, open_browser=False).stop()
    assert served[0][3] == f"{'arrays' if kind == '.npz' else 'table'}:{path}"
    assert list(folders.iterdir()) == [path]


@pytest.mark.parametrize("kind", [".pt", ".safetensors", ".feather", ".tsv", ".csv.gz", "folder of arrays", "folder"])
def test_all_that_the_loaders_read_is_taken(served, folders, kind):
    path = folders / f"Mine{kind}"
    tensors = {name: torch.from_numpy(array) for name, array in arrays().items()}
    table = pd.read_csv(BytesIO(example_file(".csv")))
    if kind.startswith("folder"):
        path.mkdir()
    if kind == "folder of arrays":
        for name, array in arrays().items():
            np.save(path / f"{name}.npy", array)
    elif kind == "folder":
        for part, rows in table.groupby("split"):
            rows.drop(columns="split").to_parquet(path / f"{part}.parquet")
    elif kind == ".pt":
        torch.save(tensors, path)
    elif kind == ".safetensors":
        save_file(tensors, path)
    else:
        table.to_feather(path) if kind == ".feather" else table.to_csv(path, sep="\t" if kind == ".tsv" else ",")
    resmem_core.launch(str(path), open_browser=False).stop()
    loader = "arrays" if kind in (".pt", ".safetensors", "folder of arrays") else "table"
    assert served[0][3] == f"{loader}:{path}"


class Streaming:
    """What has Arrow's stream interface, and nothing else."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


TABLES = {
    "pandas": lambda frame: frame,
    "Arrow": pa.table,
    "a stream": lambda frame: Streaming(pa.table(frame)),
    "polars": polars,
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_taken(served, folders, kind):
    frame = pd.read_parquet(BytesIO(example_file(".parquet")))
    running = resmem_core.launch(TABLES[kind](frame), open_browser=False)
    dataset = resmem_core.load_dataset(served[0][3])
    for part in ("train", "test"):
        rows = frame[frame["split"] == part]
        np.testing.assert_array_equal(getattr(dataset, part).embeddings, np.stack(rows["embedding"].tolist()))
        assert [dataset.class_names[label] for label in getattr(dataset, part).labels] == rows["label"].tolist()
    running.stop()
    assert list(folders.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: pd.DataFrame({"label": ["a", "b"]}), "^launch: the table has no embeddings in the columns 'label'"),
        (lambda: pd.DataFrame({"label": ["a", 1], "e0": [1, 2]}), "a DataFrame cannot be taken as a table: "),
        (lambda: pd.DataFrame({"label": ["a", "b"], "e0": [1, object()]}), "a DataFrame cannot be taken as a table: "),
        (lambda: pd.DataFrame({"label": ["a"] * 9, "e0": range(9)}), "^dataset 'launch' has 1 class"),
        (lambda: pd.DataFrame({"label": ["a", "b"], "e0": [1 + 2j, 2]}), "cannot be taken as a table: "),
        (lambda: np.zeros((3, 2)), "a ndarray is no table; give a path, a DataFrame or a Table, or arrays by name"),
        (lambda: 5, "an? int is no table"),
        (lambda: "~nobody-of-that-name/mine.npz", "not there"),
        (lambda: "/", "is a folder that no loader reads; expected one of: .npz, "),
    ],
)
def test_what_is_no_table_is_said(served, folders, given, said):
    with pytest.raises(ResMemError, match=said):
        resmem_core.launch(given(), open_browser=False)
    assert served == []
    assert list(folders.iterdir()) == []


def test_a_disk_that_is_full_is_told(served, folders, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dashboard.np, "savez", full)
    with pytest.raises(StoreError, match="could not write to the folder for temporary files: No space left"):
        resmem_core.launch(**arrays(), open_browser=False)
    assert list(folders.iterdir()) == []


def test_tensors_and_names_are_taken(served, folders):
    given = arrays()
    logits = torch.zeros((40, 2), requires_grad=True)
    given |= {"train_embeddings": torch.ones((40, 3)), "train_logits": logits, "test_logits": logits}
    running = resmem_core.launch(**given, class_names=["a", "b"], train_images=np.zeros((40, 2, 2)), open_browser=False)
    dataset = resmem_core.load_dataset(served[0][3])
    assert dataset.class_names == ("a", "b")
    assert dataset.train.images.shape[1:] == (1, 2, 2)
    running.stop()


OTHER_LIBRARIES = {
    "sparse tensor": lambda array: torch.tensor(array).to_sparse(),
    "bfloat16": lambda array: torch.tensor(array).bfloat16(),
    "float8": lambda array: torch.tensor(array).to(torch.float8_e5m2),
    "rows of tensors": lambda array: list(torch.tensor(array, requires_grad=True)),
    "sparse matrix": csr_matrix,
    "data frame": pd.DataFrame,
    "series": lambda array: pd.Series(list(array)),
}


@pytest.mark.parametrize("kind", OTHER_LIBRARIES)
def test_arrays_of_other_libraries_are_taken(tmp_path, kind):
    given, taken = arrays(), OTHER_LIBRARIES[kind]
    spec = dashboard._written(tmp_path, {key: taken(x) if "embed" in key else x for key, x in given.items()})
    source = parse_spec(spec)[0].load(f"{tmp_path}/arrays.npz", silent)
    rows = [int(name.split()[1]) for name in source.train.names]
    coarse = 0.3 if kind == "float8" else 0.02
    np.testing.assert_allclose(source.train.embeddings, given["train_embeddings"][rows], rtol=coarse, atol=1e-4)


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pd.Categorical, lambda labels: np.array(labels, object)])
def test_labels_may_be_names(tmp_path, kind):
    given = arrays()
    named = {key: kind([("b", "a")[label] for label in x]) if "labels" in key else x for key, x in given.items()}
    assert resmem_core.load_dataset(dashboard._written(tmp_path, named)).class_names == ("a", "b")
    about = {"train_groups": [f"{row % 4}" for row in range(len(given["train_labels"]))], "test_names": ["x"]}
    about["test_names"] *= len(given["test_labels"])
    told = resmem_core.load_dataset(dashboard._written(tmp_path, {**named, **about}))
    assert (len(np.unique(told.train.groups)), set(told.test.names)) == (3, {"x"})
    ordered = dashboard._written(tmp_path, {**named, "class_names": {0: "b", 1: "a"}})
    assert resmem_core.load_dataset(ordered).class_names == ("b", "a")


@pytest.mark.parametrize("names", [{1: "a", 0: "b"}, {"1": "a", "0": "b"}, {"a": 1, "b": 0}, pd.Index(["b", "a"])])
def test_class_names_of_other_kinds(tmp_path, names):
    spec = dashboard._written(tmp_path, {**arrays(), "class_names": names})
    assert resmem_core.load_dataset(spec).class_names == ("b", "a")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class_names": {0: "a", 2: "b"}}, "class_names has 2 names but none for 1: .*each number from 0 to 1"),
        ({"class_names": {0: "a", 1: None}}, "class_names holds Python objects"),
        ({"class_names": ["a", " "]}, "class_names has an empty text in row 1; expected text everywhere"),
        ({"train_labels": ["a", float("nan")] * 20}, "train_labels holds text and something else"),
        ({"train_embeddings": np.ma.masked_less(np.zeros((40, 3)), 1)}, "train_embeddings has masked entries"),
        ({"train_embeddings": {"a": [1.0]}}, "train_embeddings holds Python objects"),
        ({"train_images": np.random.default_rng(0).normal(size=(40, 3, 2, 2))}, "train_images has values from -"),
        ({"train_labels": [0, 1]}, "^launch: train_labels has 2 rows; expected 40"),
        ({"train_labels": None}, "^launch lacks train_labels"),
        ({"train_embeddings": [[1.0], [1.0, 2.0]]}, "list cannot be taken as an array"),
        ({"train_embeddings": np.array([[None]] * 40)}, "train_embeddings holds Python objects"),
        ({"test_logits": np.zeros((40, 2))}, "^launch lacks train_logits"),
        ({"train_labels": np.zeros(40, int), "test_labels": np.zeros(40, int)}, "^dataset 'launch' has 1 class"),
    ],
)
def test_data_is_checked_before_anything_starts(served, folders, change, said):
    with pytest.raises(DatasetError, match=said):
        resmem_core.launch(**{**arrays(), **change})
    assert served == []
    assert list(folders.iterdir()) == []


def test_what_is_missing_is_said(served, folders, monkeypatch):
    for given in ((), ("mine.npz",)):
        with pytest.raises(InvalidParameterError, match="give one of them"):
            resmem_core.launch(*given, **(arrays() if given else {}))
    with pytest.raises(DatasetError, match=r"ends in '\.txt'"):
        resmem_core.launch("mine.txt")
    for path in ("mine.npz", "mine.npz?logits=raw"):
        with pytest.raises(DatasetError, match="not there"):
            resmem_core.launch(path)
    monkeypatch.setattr(dashboard, "APP", folders / "app.py")
    with pytest.raises(UnavailableError, match=r"app\.py, is not beside the package"):
        resmem_core.launch(**arrays())
    assert served == []


def test_a_host_that_is_not_ours(folders):
    with pytest.raises(InvalidParameterError, match="host='no address'"):
        resmem_core.launch(**arrays(), host="no address", open_browser=False)
    assert list(folders.iterdir()) == []


def test_a_server_that_ends_is_told_with_what_it_wrote(folders, monkeypatch):
    monkeypatch.setattr(dashboard, "APP", folders / "app.txt")
    (folders / "app.txt").touch()
    with pytest.raises(UnavailableError, match=r"(?s)ended with status [1-9].*\.txt"):
        resmem_core.launch(**arrays(), open_browser=False)
    assert [path.name for path in folders.iterdir()] == ["app.txt"]


def test_a_server_that_does_not_answer_is_ended(folders, monkeypatch):
    started, start = [], dashboard.subprocess.Popen

    def popen(command, **options):
        started.append(start(["sh", "-c", "echo busy; exec sleep 60"], **options))
        return started[0]

    monkeypatch.setattr(dashboard, "TIMEOUT", 0.5)
    monkeypatch.setattr(dashboard.subprocess, "Popen", popen)
    with pytest.raises(UnavailableError, match=r"(?s)did not answer.*busy"):
        resmem_core.launch(**arrays(), open_browser=False)
    assert started[0].poll() is not None
    assert list(folders.iterdir()) == []
