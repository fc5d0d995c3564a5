"""Readers of text, and a form's way to a query and back."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages._shared.frame import FORMS
from resmem_core.cli.settings import Settings
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import Form, between, flag, one_of, positive, setting, some_of, table_of, whole

POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)


@dataclass(frozen=True)
class Pair(Form):
    """A form whose two fields must go together."""

    low: int = setting(0, whole(0), "the lower")
    high: int = setting(9, whole(0, 9), "the higher")
    dotted: bool = setting(False, flag, "a yes or no")

    def check(self):
        if self.low > self.high:
            raise InvalidParameterError(f"low={self.low} exceeds high={self.high}")


@pytest.mark.parametrize(
    ("read", "good", "bad", "said"),
    [
        (whole(1), {"1": 1, "007": 7, str(10**30): 10**30}, "0", "'0' is not a whole number of at least 1"),
        (whole(2, 5), {"2": 2, "5": 5}, "6", "'6' is not a whole number from 2 to 5"),
        (flag, {"true": True, "True": True, "false": False, "FALSE": False}, "on", "'on' is neither"),
        (one_of(("a", "b")), {"b": "b"}, "c", "'c' is none of: a, b"),
        (some_of(("a", "b", "c")), {"c,a": "a,c"}, "a,d", "'a,d' must hold"),
    ],
)
def test_readers(read, good, bad, said):
    assert [read(text) for text in good] == list(good.values())
    with pytest.raises(InvalidParameterError, match=said):
        read(bad)


@given(POSITIVE)
def test_positive(value):
    assert positive(repr(value)) == value
    with pytest.raises(InvalidParameterError, match="finite number above 0"):
        positive(repr(-value))


@given(st.floats())
def test_between(value):
    if 0 <= value <= 1:
        assert between(0, 1)(repr(value)) == value
    else:
        with pytest.raises(InvalidParameterError, match="not a number from 0 to 1"):
            between(0, 1)(repr(value))


def test_a_query_and_back():
    pair = Pair(low=3, dotted=True)
    assert pair.to_query() == {"low": "3", "dotted": "true"}
    assert Pair.from_query(pair.to_query()) == (pair, [])


def test_what_cannot_be_read_or_does_not_go_together_is_noted_and_left_out():
    found, notes = Pair.from_query({"low": "x", "high": "7", "width": "1"})
    assert found == Pair(high=7)
    assert len(notes) == 2
    assert "'x'" in notes[0]
    assert "width='1' is not known" in notes[1]
    found, notes = Pair.from_query({"low": "8", "high": "7"})
    assert found == Pair()
    assert notes == ["low=8 exceeds high=7; the default is shown"]


@pytest.mark.parametrize("form", [Settings, *FORMS.values()], ids=lambda form: form.__name__)
def test_every_form_has_possible_defaults_and_says_what_its_fields_mean(form):
    form().check()
    assert form().to_query() == {}
    assert form.from_query({}) == (form(), [])
    for field in table_of(form).values():
        assert field.metadata["help"]
        text = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        if field.default is not None and text:
            assert field.metadata["read"](text) == field.default
