"""Arrays of other libraries, as NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_dense(value: Any) -> np.ndarray:
    """Return any array as a dense one of NumPy: a torch tensor of any kind on any device, a sparse matrix, a list.

    Number types that NumPy does not have (bfloat16, 8-bit floating) become float32.

    Raises
    ------
    ValueError
        If it is no array, such as lists of unequal lengths; the message is NumPy's, or torch's.
    """
    try:
        if isinstance(value, list | tuple) and value and hasattr(value[0], "detach"):
            value = [as_dense(row) for row in value]
        if hasattr(value, "detach"):
            value = _of_torch(value)
        elif hasattr(value, "toarray"):  # of scipy.sparse
            value = value.toarray()
        array = np.asarray(value)
        # bfloat16 of ml_dtypes, as jax has it
        return array.astype(np.float32) if array.dtype.kind == "V" and array.dtype.names is None else array
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def _of_torch(tensor: Any) -> Any:
    import torch

    tensor = tensor.detach().cpu()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    small = tensor.is_floating_point() and tensor.element_size() < 4
    return (tensor.float() if small else tensor).resolve_conj().resolve_neg().numpy()
