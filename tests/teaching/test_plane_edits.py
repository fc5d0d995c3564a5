"""Points added and removed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.teaching.plane import Place
from resmem_core.teaching.plane_edits import MOST_EDITS, PlaneEdits

COORDINATE = st.floats(-1.25, 1.25)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), COORDINATE, COORDINATE, st.integers(0, 1)),
        st.tuples(st.just("remove"), st.integers(0, 1999)),
        st.tuples(st.just("withdraw"), st.integers(0, 40)),
        st.tuples(st.just("undo")),
    ),
    max_size=30,
)


@given(MOVES)
def test_edits_are_read_as_they_were_written_and_undone_one_by_one(moves):
    edits, history = PlaneEdits(), [PlaneEdits()]
    for kind, *values in moves:
        if kind == "add":
            after = edits.add(Place(*values[:2]), values[2])
        elif kind == "remove":
            after = edits.remove(f"x{values[0]}")
        elif kind == "withdraw":
            if f"z{values[0]}" not in edits.added:
                continue
            after = edits.remove(f"z{values[0]}")
            assert f"z{values[0]}" not in after.added
        else:
            edits = edits.undone()
            assert edits == (history[-2] if len(history) > 1 else history[0])
            history = history[:-1] or [PlaneEdits()]
            continue
        if after != edits:
            history.append(after)
        edits = after
        assert PlaneEdits.parse(str(edits)) == edits


def test_what_was_added_and_removed_and_how_much_may_be():
    edits = PlaneEdits.parse("1_0.3_-0.2,x17,0_-1_1,z0,x3")
    assert edits.added == {"z1": (Place(-1, 1), 0)}
    assert edits.removed == (3, 17)
    assert edits.add(Place(-1, 1), 1) == edits  # one point a place
    assert str(PlaneEdits()) == "none"
    edits = PlaneEdits(tuple(f"x{row}" for row in range(MOST_EDITS)))
    with pytest.raises(InvalidParameterError, match=str(MOST_EDITS)):
        edits.remove("x1000")
    with pytest.raises(InvalidParameterError, match=str(MOST_EDITS)):
        PlaneEdits.parse(",".join(f"x{row}" for row in range(1000)))


@pytest.mark.parametrize("text", ["", "x", "x-1", "2_0_0", "1_9_9", "z0", "x1,z0", "x1,,x2", "1_nan_0"])
def test_nonsense_is_refused(text):
    with pytest.raises(InvalidParameterError):
        PlaneEdits.parse(text)
