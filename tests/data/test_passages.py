"""Long documents in pieces: nothing lost, no piece out of proportion, cut where a reader would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.data.passages import passage_length, passages
from resmem_core.data.text import Document


@given(st.text(alphabet="ab \n", max_size=400), st.integers(3, 120))
def test_pieces_end_to_end_are_the_document(text, length):
    pieces = passages(Document("x", text), length)
    assert "".join(piece.text for piece in pieces) == text
    if len(text) > length:
        assert all(0 < len(piece.text) <= 2 * length for piece in pieces)
        assert [piece.name for piece in pieces] == [f"x (part {i + 1} of {len(pieces)})" for i in range(len(pieces))]
    else:
        assert pieces == [Document("x", text)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("one two\nthree\n\nfour five\nsix seven", "one two\nthree\n\n"),  # a blank line before all
        ("one two\nthree \n \n four five six seven", "one two\nthree \n \n "),
        ("one two three\nfour five six seven", "one two three\n"),  # else a line's end, though a blank is nearer
        ("one two three four five six seven", "one two three "),  # else a blank, the nearest
        ("abcdefghijklmnopqrstuvwxyz", "abcdefghijklm"),  # else just there
    ],
)
def test_cuts_at_the_best_boundary(text, first):
    assert passages(Document("x", text), len(text) // 2 + 1)[0].text == first


def test_a_document_may_be_a_hundredth_of_all_or_2000_characters():
    assert passage_length([Document("x", "a" * 5000)]) == 2000
    assert passage_length([Document("x", "a" * 300_000)] * 2) == 6000
