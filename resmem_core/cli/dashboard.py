"""The dashboard on arrays at hand, from a notebook or a script."""

from __future__ import annotations

import atexit
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from numbers import Integral
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from resmem_core.common.dense import as_dense
from resmem_core.common.errors import DatasetError, InvalidParameterError, StoreError, UnavailableError
from resmem_core.data import load_dataset
from resmem_core.data.base import user_path
from resmem_core.data.foreign_tables import as_arrow
from resmem_core.data.model_file import endings_read, path_and_options, reader_of
from resmem_core.experiment.jobs import in_background
from resmem_core.experiment.runs import Runs

APP = Path(__file__).parents[2] / "app.py"
LOOPBACK = "127.0.0.1"
TIMEOUT = 120.0  # seconds for the server to answer
LOG_LINES = 20
_NO_ARRAYS = ("path", "host", "port", "open_browser")  # what `launch` takes besides


class Dashboard:
    """A dashboard that runs in a process of its own, until it is stopped or Python ends.

    Also a context manager, which stops it.

    Attributes
    ----------
    url : str
        Where it is.
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes], folder: Path, dataset: str) -> None:
        self.url = url
        self._process = process
        self._folder = folder
        self._dataset = dataset
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        """Whether it still answers to its address."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it, and remove the copy of the data that was made for it."""
        atexit.unregister(self.stop)
        _end(self._process)
        if self._folder.exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            if str(self._folder) in self._dataset:
                with suppress(StoreError):
                    Runs().forget(self._dataset)  # nobody could open them again

    def __enter__(self) -> Dashboard:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Dashboard at {self.url}>" if self.running else "<Dashboard, stopped>"


def launch(
    path: str | Path | Any | None = None,
    *,
    train_embeddings: Any = None,
    train_labels: Any = None,
    train_logits: Any = None,
    test_embeddings: Any = None,
    test_labels: Any = None,
    test_logits: Any = None,
    validation_embeddings: Any = None,
    validation_labels: Any = None,
    validation_logits: Any = None,
    class_names: Sequence[str] | Mapping[int, str] | None = None,
    train_images: Any = None,
    test_images: Any = None,
    validation_images: Any = None,
    train_names: Any = None,
    test_names: Any = None,
    validation_names: Any = None,
    train_groups: Any = None,
    test_groups: Any = None,
    validation_groups: Any = None,
    host: str = LOOPBACK,
    port: int | None = None,
    open_browser: bool = True,
) -> Dashboard:
    """Open the dashboard on what a model of yours says of your data.

    Parameters
    ----------
    path : str or Path or table, optional
        A file or folder that `arrays:` or `table:` reads, in place of arrays; or a table with the columns that `table:`
        reads: a DataFrame of pandas or Polars, a Table of Arrow, or what else has Arrow's stream interface.
    train_embeddings, test_embeddings, validation_embeddings : array-like, shape (N, D)
        Of each part; the last hidden layer, say. Validation is optional. Array-like are torch tensors and sparse
        matrices, too.
    train_labels, test_labels, validation_labels : array-like of int or str, shape (N,)
        0 to C - 1, or names: numbered as in `class_names` or else sorted.
    train_logits, test_logits, validation_logits : array-like, shape (N, C), optional
        Without any, a logistic regression on the embeddings is the base model.
    class_names : sequence of str, length C, optional
        Or a mapping from numbers to names, or from names to numbers.
    train_images, test_images, validation_images : array-like, optional
        (N, height, width), (N, height, width, 1 or 3) or (N, 1 or 3, height, width); uint8, or floating from 0 to 1.
    train_names, test_names, validation_names : array-like of str or int, shape (N,), optional
        What to call each example.
    train_groups, test_groups, validation_groups : array-like of str or int, shape (N,), optional
        What each example comes with, such as a patient: a part that is cut off takes whole groups.
    host : str
        IPv4 address or name to listen at; by default only this machine can connect.
    port : int, optional
        A free one is taken unless given.
    open_browser : bool
        Whether to show it.

    Returns
    -------
    Dashboard

    Raises
    ------
    DatasetError
        If the data is not as expected; nothing is started.
    InvalidParameterError
        If there is no data, or both arrays and a file; or the port is taken.
    UnavailableError
        If the server does not come up.

    Examples
    --------
    >>> from resmem_core import launch
    >>> dashboard = launch(
    ...     train_embeddings=z, train_logits=f, train_labels=y,
    ...     test_embeddings=z_test, test_logits=f_test, test_labels=y_test,
    ... )  # doctest: +SKIP
    >>> dashboard.stop()  # doctest: +SKIP
    """
    arrays = {name: value for name, value in locals().items() if value is not None and name not in _NO_ARRAYS}
    if (path is None) == (not arrays):
        what = "both a path or table and arrays" if arrays else "neither a path or table nor arrays"
        raise InvalidParameterError(f"launch was given {what}; give one of them")
    if not APP.is_file():
        raise UnavailableError(
            f"the dashboard, {APP.name}, is not beside the package in {APP.parent}; install from a checkout of the "
            "project with `pip install -e .`"
        )
    with _disk_told():
        folder = Path(tempfile.mkdtemp(prefix="resmem-"))  # for its owner only
    try:
        with _disk_told():
            dataset = _written(folder, arrays) if path is None else _taken(folder, path)
        url, process = _served(folder, host, port, dataset)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if open_browser:
        webbrowser.open(url)
    return Dashboard(url, process, folder, dataset)


@contextmanager
def _disk_told() -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"could not write to the folder for temporary files: {error.strerror or error}; free some space there, or "
            "set TMPDIR to a folder that can be written"
        ) from error


def _taken(folder: Path, given: Any) -> str:
    """Return the dataset that a path or a table is; a table is written to the folder."""
    if isinstance(given, str | Path):
        return _named(user_path(str(given)).absolute())
    from pyarrow import ArrowException, parquet

    path, table = folder / "table.parquet", as_arrow(given)
    try:
        parquet.write_table(table, path)
    except ArrowException as error:
        raise DatasetError(f"a {type(given).__name__} cannot be taken as a table: {error}") from error
    return _checked(path)


def _named(path: Path) -> str:
    bare, _ = path_and_options(str(path))
    loader = reader_of(bare)
    if loader is None:
        found = "is a folder that no loader reads" if bare.is_dir() else f"ends in {bare.suffix!r}"
        raise DatasetError(f"{path} {found}; expected one of: {', '.join(endings_read())}")
    spec = f"{loader.name}:{path}"
    load_dataset(spec)
    return spec


def _written(folder: Path, arrays: dict[str, Any]) -> str:
    """Write arrays to a file that `arrays:` reads, and check them as it does."""
    path = folder / "arrays.npz"
    found = {name: _as_array(name, value) for name, value in arrays.items()}
    np.savez(path, **found)  # type: ignore[arg-type]  # none of them is called allow_pickle
    return _checked(path)


def _checked(path: Path) -> str:
    """Return the dataset that was written; what is wrong with it is told without the file's name."""
    try:
        return _named(path)
    except DatasetError as error:
        told = re.sub(rf"(\w+:)?{re.escape(str(path))}", "launch", str(error))
        raise DatasetError(told) from error


def _as_array(name: str, value: Any) -> np.ndarray:
    """Return what was given as an array of numbers or text."""
    if name == "class_names" and isinstance(value, Mapping):
        value = _names_in_order(value)
    kind = type(value).__name__
    try:
        array = as_dense(value)
        if array.dtype.hasobject:  # as pandas holds text
            array = np.array(array.tolist())
    except ValueError as error:
        raise DatasetError(f"{name}: a {kind} cannot be taken as an array: {error}") from error
    if np.ma.is_masked(value):
        raise DatasetError(f"{name} has masked entries; expected an array without any: leave those examples out")
    if array.dtype.hasobject:
        raise DatasetError(f"{name} holds Python objects (shape {array.shape}); expected numbers or text")
    if array.dtype.kind == "U" and not all(isinstance(x, str) for x in np.asarray(value, dtype=object).flat):
        raise DatasetError(f"{name} holds text and something else, such as numbers or gaps; expected one of both")
    return array


def _names_in_order(names: Mapping[Any, Any]) -> list[Any]:
    """Return the names of {0: "cat", 1: "dog"}, or of {"cat": 0, "dog": 1}, in the order of their numbers."""
    pairs = list(names.items())
    if all(isinstance(value, Integral) for _, value in pairs):
        pairs = [(number, name) for name, number in pairs]
    by_number = {str(number): name for number, name in pairs}  # JSON writes numbers that are keys as text
    try:
        return [by_number[str(number)] for number in range(len(names))]
    except KeyError as error:
        raise DatasetError(
            f"class_names has {len(names)} names but none for {error.args[0]}: {str(dict(names))[:200]}; expected one "
            f"for each number from 0 to {len(names) - 1}"
        ) from error


def _served(folder: Path, host: str, port: int | None, dataset: str) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a server on the dataset and return its address, once it answers."""
    port = _free_port(host, port)
    address = f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}"
    log, at = folder / "log.txt", (f"--server.address={host}", f"--server.port={port}", "--server.headless=true")
    process = in_background(["streamlit", "run", str(APP), *at], log, APP.parent)  # where its configuration is
    try:
        _wait(f"{address}/_stcore/health", process, log)
    except BaseException:
        _end(process)
        raise
    return f"{address}/?{urlencode({'dataset': dataset})}", process


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port(host: str, port: int | None) -> int:
    """Return `port`, or any that is free; raise where it is taken, or the host is not this machine."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port or 0))
            probe.listen()
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise InvalidParameterError(
            f"host={host!r}, port={port} cannot be listened at: {error}; leave them out for a free port of this machine"
        ) from error


def _wait(health: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server is well; raise, with the last it wrote, where it ends or does not answer in time."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with direct.open(health, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    said = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
    what = "did not answer" if process.poll() is None else f"ended with status {process.returncode}"
    raise UnavailableError(f"the dashboard {what} at {health}; the last it wrote:\n{said}")
