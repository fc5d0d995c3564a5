"""What a base model's head says, row by row."""

import numpy as np
import pytest

from resmem_core.models.types import HeadLogits, OutputLayer


@pytest.mark.parametrize("bias", [None, np.array([1, 2, 3], dtype=np.float32)])
def test_the_output_layer_reads_any_float_type(bias):
    output = OutputLayer(np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32), bias)
    assert output.n_classes == 3
    for kind in (np.float16, np.float32, np.float64):
        logits = output.logits(np.array([[2, 3]], dtype=kind))
        assert logits.dtype == np.float32
        assert (logits - (0 if bias is None else bias)).tolist() == [[2, 3, 5]]


def test_logits_of_a_head_are_worked_out_for_the_rows_asked_for():
    logits = HeadLogits(np.arange(6, dtype=np.float16).reshape(3, 2), OutputLayer(np.eye(2, dtype=np.float32)))
    assert (len(logits), logits.shape) == (3, (3, 2))
    assert logits[np.array([2, 0, 2])].tolist() == [[4, 5], [0, 1], [4, 5]]
    assert logits[np.array([[2], [0]])].tolist() == [[[4, 5]], [[0, 1]]]
    assert logits.take(slice(1, 3))[:].tolist() == logits[:][1:].tolist() == [[2, 3], [4, 5]]
