"""Recall against speed: all points, the front, the current one."""

from resmem_core.analysis.index_lab import Lab, Point
from resmem_core.memory.types import Params
from resmem_core.plots.index_lab import recall_against_speed


def point(index, speed, recall, current=False, **options):
    return Point(index, options, current, 1.5, 2_000_000, speed, recall, current, 0.9, 0.012, (-0.002, 0.03))


def test_recall_against_speed(assert_drawable):
    points = (
        point("exact", 100.0, 1.0, True),
        point("annoy", 400.0, 0.97, n_trees=10),
        point("annoy", 300.0, 0.9, n_trees=50),
    )
    lab = Lab(Params(5, 0.3), 50, 600, "Linux x86_64", 2, "2026-01-02T03:04:05+00:00", points)
    found = assert_drawable(recall_against_speed(lab))
    front, exact, annoy, ring = found["data"]
    assert (front["x"], front["y"]) == ([400, 100], [0.97, 1])
    assert (ring["x"], ring["y"], ring["name"]) == ([100], [1], "current index")
    assert (exact["name"], exact["x"]) == ("exact", [100])
    assert (annoy["x"], annoy["y"]) == ([400, 300], [0.97, 0.9])
    assert annoy["marker"]["opacity"][0] == 1 > annoy["marker"]["opacity"][1]
    assert exact["marker"]["symbol"] != annoy["marker"]["symbol"]
    for told in ("n_trees = 50", "1.50 s", "2.0 MB", "1.20 points", "-0.20 to 3.00"):
        assert told in annoy["text"][1]
    assert found["layout"]["xaxis"]["type"] == "log"
