"""Models of Hugging Face, by name or in a folder: whether they are there, and how they are read."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.data.base import user_path

CONFIG = "config.json"
INSTALL = {"transformers": "pip install 'transformers>=4.45'", "timm": "pip install 'timm>=1.0'"}


def missing(what: str | None, package: str = "transformers") -> str | None:
    """Return what is missing to read a model by name or folder and cannot be fetched, or None. It loads nothing."""
    if importlib.util.find_spec(package) is None:
        return f"the package {package} is not installed; run: {INSTALL[package]}"
    folder = user_path(what or "")
    if what and folder.is_dir() and not (folder / CONFIG).is_file():
        return f"the folder {what!r} has no {CONFIG}; give one that a model's save_pretrained wrote"
    return None


def unavailable(what: str | None, package: str = "transformers") -> str | None:
    """Return the same, or that no model can have that name."""
    if reason := missing(what, package):
        return reason
    if what is None or user_path(what).is_dir():
        return None
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(what)
    except HFValidationError:
        return f"there is no folder {what!r}, and no model of Hugging Face can have that name"
    return None


def source(what: str | None) -> str:
    """Return what `transformers` is to be given.

    Raises
    ------
    UnavailableError
        If something is missing that cannot be fetched.
    """
    assert what is not None  # backbone_of sees to it
    if reason := missing(what):
        raise UnavailableError(f"the model {what!r} cannot be read: {reason}")
    folder = user_path(what)
    return str(folder) if folder.is_dir() else what


def config_of(source: str, kind: str) -> Any:
    """Return a model's configuration; `kind` is as for `read`.

    Raises
    ------
    UnavailableError
        If it is neither on this machine nor to be fetched, or is nothing that `transformers` knows.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # the network, the hub and the libraries have classes of their own
        raise unreadable(source, kind, error) from error


def read(auto_class: Any, source: str, kind: str) -> tuple[Any, set[str]]:
    """Return a model and the names of weights that it lacks; its weights are safetensors, and no code of its is run.

    Parameters
    ----------
    auto_class : class
        Of `transformers`.
    source : str
        Folder or name.
    kind : str
        What kind of model is wanted, as a message says it.

    Raises
    ------
    UnavailableError
        If it is neither on this machine nor to be fetched, or is something else.
    """
    options: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "output_loading_info": True}
    try:
        with _without_bars():
            model, report = auto_class.from_pretrained(source, **options)
    except Exception as error:  # the network, the hub and the libraries have classes of their own
        raise unreadable(source, kind, error) from error
    return model, set(report["missing_keys"])


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep `transformers` from drawing bars of its own where weights are read; those of what is fetched stay."""
    from huggingface_hub import utils as fetching
    from transformers.utils import logging

    drawn, fetched = logging.is_progress_bar_enabled(), not fetching.are_progress_bars_disabled()
    logging.disable_progress_bar()  # and those of what is fetched
    if fetched:
        fetching.enable_progress_bars()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()
            if not fetched:
                fetching.disable_progress_bars()


def read_whole(source: str, kind: str, classifies: str) -> tuple[Any, bool]:
    """Return a model in float32 and evaluation mode, and whether what pools its output was trained, if there is such.

    Parameters
    ----------
    kind : str
        As for `read`.
    classifies : str
        How the classes of classifiers end ("ForImageClassification"): one comes with the layer that classifies.

    Raises
    ------
    UnavailableError
        As `read`.
    InvalidParameterError
        If it lacks other weights than those that pool.
    """
    import transformers

    architectures = config_of(source, kind).architectures or ()
    classifier = any(name.endswith(classifies) for name in architectures)
    model, lacking = read(getattr(transformers, f"AutoModel{classifies if classifier else ''}"), source, kind)
    pooler = {name for name in lacking if "pooler" in name}
    if lacking := lacking - pooler:
        raise InvalidParameterError(
            f"the model {source!r} lacks {len(lacking)} of its weights, {min(lacking)} for one, which would be left to "
            "chance; use one whose weights are all there"
        )
    return model.float().eval(), not pooler


def json_of(source: str, name: str) -> Any:
    """Return what a file of JSON beside a model says; None where there is no such file.

    Raises
    ------
    UnavailableError
        If it cannot be read.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        file = Path(source) / name if Path(source).is_dir() else Path(hf_hub_download(source, name))
        return json.loads(file.read_text(encoding="utf-8"))
    except (EntryNotFoundError, FileNotFoundError):  # or it may be there, but was not fetched and cannot be now
        return None
    except Exception as error:  # the network, the hub and the libraries have classes of their own
        raise unreadable(source, "a model", error) from error


def unreadable(source: str, kind: str, error: Exception) -> UnavailableError:
    """Return what is to be raised where a library could not read a model."""
    reason = str(error).partition("\n")[0].rstrip(".")
    return UnavailableError(
        f"the model {source!r} cannot be read: {reason}; give a folder with {CONFIG} and safetensors, or the "
        f"name of {kind} that has them, and connect to the internet if it was not fetched yet, or fetch its files "
        "elsewhere, and give the folder that they are put in"
    )


def labels_of(model: Any) -> list[str]:
    """Return what a classifier calls its classes, in their order."""
    labels = {int(row): str(name) for row, name in model.config.id2label.items()}
    return [labels[row] for row in sorted(labels)]


def definition_of(model: Any) -> str:
    """Return what the model is made by, wherever it lies."""
    values = {name: value for name, value in model.config.to_dict().items() if not name.startswith("_")}
    return json.dumps(values, sort_keys=True, default=str)
