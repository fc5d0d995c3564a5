"""Arrays by name from files of tensors: .safetensors, and what torch.save wrote (.pt, .pth); nothing in them is run."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common import mapped
from resmem_core.common.dense import as_dense
from resmem_core.common.errors import DatasetError

_REASON = re.compile(r"WeightsUnpickler error:\s*(.+?)(?:\. Please|\n|$)")  # in torch's long message
_PLAIN = {str, int, float, bool}


def safetensors_in(path: Path) -> dict[str, Callable[[], Any]]:
    """Return the names of the tensors, and what reads each; torch knows types that NumPy lacks, such as bfloat16."""
    from safetensors import safe_open

    def read(name: str) -> np.ndarray:
        with safe_open(path, framework="pt") as file:
            return as_dense(file.get_tensor(name))

    with safe_open(path, framework="pt") as file:
        return {name: partial(read, name) for name in file.keys()}  # noqa: SIM118 - no mapping


def torch_in(path: Path) -> dict[str, Callable[[], Any]]:
    """Return the names of what torch.save wrote, and what gives each as an array.

    Taken are a dict of tensors, of any type and device, and of flat lists of numbers or text, such as names; or a dict
    of such dicts, `{"train": {"embeddings": ...}}`, whose names are joined by "_". What is something else comes as it
    is. Large tensors stay mapped.

    Raises
    ------
    DatasetError
        If there is anything but tensors, numbers, text, lists and dicts in it, which only code could open.
    """
    found = torch_content(path, str(path))
    if not isinstance(found, dict):
        shape = f" of shape {tuple(found.shape)}" if hasattr(found, "shape") else ""
        raise DatasetError(
            f"{path} holds a {type(found).__name__}{shape}; expected a dict of tensors, as "
            "torch.save({'train_embeddings': tensor, ...}, PATH) writes it"
        )
    return {name: partial(_array, content) for name, content in flat(found).items()}


def flat(found: Any) -> dict[str, Any]:
    """Return what a dict holds, and what dicts in it hold, by name; nothing where it is no dict."""
    by_name: dict[str, Any] = {}
    for key, value in found.items() if isinstance(found, dict) else ():
        inner = value if isinstance(value, dict) else {None: value}
        by_name |= {str(key) if name is None else f"{key}_{name}": content for name, content in inner.items()}
    return by_name


def torch_content(source: Path | BytesIO, called: str) -> Any:
    """Return what torch.save wrote, of tensors, numbers, text, lists and dicts alone; `called` so in messages.

    Raises
    ------
    DatasetError
        If there is anything else in it, or it is damaged.
    """
    import torch

    is_mapped = isinstance(source, Path) and zipfile.is_zipfile(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols, and of sparse layouts that are in beta
            return torch.load(source, map_location="cpu", weights_only=True, mmap=is_mapped)
    except Exception as error:  # damaged bytes make torch raise almost anything
        reason = _REASON.search(str(error))
        told = reason[1] if reason else (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(
            f"{called} cannot be read as tensors alone: {told}; nothing else is opened, as that could run what is in "
            "it: write it again as torch.save({'train_embeddings': tensor, ...}, PATH), with torch.from_numpy(array) "
            "and lists of text in place of other objects"
        ) from error


def _array(content: Any) -> Any:
    import torch

    if isinstance(content, torch.Tensor):
        array = as_dense(content)
        return array.view(np.memmap) if array.nbytes >= mapped.LARGE else array  # by blocks, as torch has mapped it
    if isinstance(content, list | tuple) and content and len(kinds := {*map(type, content)}) == 1 and kinds <= _PLAIN:
        return np.array(content)
    return content
