"""What the browser is told of a curve."""

import json

import numpy as np

from resmem_core.plots.curve import packed_curve
from resmem_core.teaching.curve import AUTO, Curve, fit_base, view


def test_a_curve_is_told_whole_and_by_a_name_that_tells_it_from_others():
    forms = [Curve(n=40, width=4, steps=20, sigma=AUTO), Curve(n=40, width=4, steps=20, sigma=AUTO, seed=1)]
    views = [view(form, fit_base(form)) for form in forms]
    (name, told), (other, _) = (packed_curve(seen) for seen in views)
    assert name != other
    size = int(np.frombuffer(told, np.uint32, 1)[0])
    head = json.loads(told[4 : 4 + size])
    assert (head["name"], head["auto"]) == (name, views[0].sigma)
    values, at = np.frombuffer(told, np.float64, offset=4 + size), 0
    for field, (key, kind, (n,)) in zip(("x", "y", "residuals", "grid", "target", "base"), head["arrays"], strict=True):
        assert kind == "float64"
        assert field.startswith(key)
        np.testing.assert_array_equal(values[at : at + n], getattr(views[0], field))
        at += n
    assert (np.diff(views[0].x) > 0).all()  # the browser relies on it
