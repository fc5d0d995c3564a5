import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.data.text import Stream
from tests.data.made import stream_of

lengths = st.lists(st.integers(1, 6), min_size=1, max_size=6)


@given(lengths, st.integers(0, 8), st.data())
def test_a_row_has_the_tokens_of_its_document_around_it(lengths, length, data):
    whole = stream_of(*lengths)
    row = data.draw(st.integers(0, len(whole) - 1))
    document = int(whole.documents[row])
    first, last = whole.starts[document : document + 2].tolist()
    assert first <= row < last
    assert whole.before(row, length).tolist() == list(range(first, row))[-length or len(whole) :]
    assert whole.after(row, length).tolist() == list(range(row, last))[:length]


def test_intervals_draw_documents_or_their_passages_where_there_are_too_few():
    starts, names = np.arange(0, 13, 2), tuple("abcdef")
    for sources, expected in (([0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 4]), ([0, 1, 2, 3, 3, 3], range(6))):
        whole = Stream(np.arange(12, dtype=np.int32), starts, names, np.array(sources))
        assert whole.blocks.tolist() == np.repeat(list(expected), 2).tolist()
    assert stream_of(2, 3).blocks.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_is_not_there_is_answered(row):
    whole = stream_of(2, 3)
    for method in (whole.before, whole.after):
        with pytest.raises(InvalidParameterError, match=f"row={row} must lie between 0 and 4"):
            method(row, 3)


@pytest.mark.parametrize("starts", [[0, 2], [1, 2, 3], [0, 2, 4], [0, 0, 3], [0, 3, 3], [0, 5, 3]])
def test_starts_must_cut_the_tokens_into_documents(starts):
    with pytest.raises(DatasetError, match="do not cut 3 tokens into 2 documents"):
        Stream(np.arange(3, dtype=np.int32), np.array(starts), ("a", "b"))
