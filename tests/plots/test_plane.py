"""What the browser is told of the plane."""

import json

import numpy as np
import pytest

from resmem_core.plots.plane import packed_scene
from resmem_core.teaching.plane_edits import PlaneEdits
from resmem_core.teaching.playground import Playground, fit_base, view

FORM = Playground(n=60, label_noise=0.1, edits=PlaneEdits.parse("1_0.3_-0.2,x3"))


def unpacked(told):
    size = int(np.frombuffer(told, np.uint32, 1)[0])
    head, at, arrays = json.loads(told[4 : 4 + size]), 4 + size, {}
    for name, kind, shape in head["arrays"]:
        arrays[name] = np.frombuffer(told, kind, int(np.prod(shape)), at).reshape(shape)
        at += -(-arrays[name].nbytes // 8) * 8
    assert at == len(told)
    return head, arrays


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("more", [{}, {"base": "network", "space": "hidden"}])
def test_a_scene_is_all_that_k_sigma_and_temperature_do_not_change(more):
    form = Playground(**{**vars(FORM), **more})
    base = fit_base(form.scene)
    seen = view(form, base)
    name, told = packed_scene(base, form.edits)
    head, arrays = unpacked(told)
    assert (head["name"], head["side"]) == (name, len(base.axis))
    np.testing.assert_array_equal(np.column_stack([arrays["x"], arrays["y"]]), seen.points.X)
    np.testing.assert_array_equal(arrays["label"], seen.points.y)
    assert (arrays["flipped"].sum(), arrays["added"].sum()) == (seen.points.flipped.sum(), 1)
    np.testing.assert_allclose(arrays["label"] - 1 / (1 + np.exp(-arrays["logit"])), seen.residual, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-arrays["surface"])), seen.base.ravel(), atol=1e-6)
    assert ("order" in arrays) == bool(more)
    assert packed_scene(base, PlaneEdits())[0] != name
