"""Tables as numbers: by the formulas, and by the training part alone."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from resmem_core.common.errors import DatasetError
from resmem_core.models.feature_encoding import MOST_CATEGORIES, encoded


def number(*values):
    return pa.table({"a": pa.array(values, pa.float64())})


def text(*values):
    return pa.table({"t": pa.array(values, pa.string())})


def time(*values):
    return pa.table({"d": pa.array(values, pa.timestamp("us"))})


def test_numbers_are_standardised_by_train_with_missing_ones_as_its_median():
    train, test = np.array([1.0, 2, np.nan, 10]), np.array([np.nan, 4])
    found = encoded({"train": number(1, 2, None, 10), "test": number(None, 4)})
    filled, lacks = np.where(np.isnan(train), 2, train), np.isnan(train).astype(float)
    columns = np.column_stack([filled, lacks])
    mean, std = columns.mean(0), columns.std(0)
    np.testing.assert_allclose(found["train"], (columns - mean) / std, rtol=1e-6)
    asked = np.column_stack([np.where(np.isnan(test), 2, test), np.isnan(test)])
    np.testing.assert_allclose(found["test"], (asked - mean) / std, rtol=1e-6)
    assert found["train"].dtype == np.float32


def test_what_lacks_in_test_alone_is_the_median_and_no_column():
    found = encoded({"train": number(0, 2, 4), "test": number(None)})
    assert found["test"].tolist() == [[0.0]]  # the median of train, which is its mean as well


def test_a_column_without_anything_in_train_tells_nothing():
    found = encoded({"train": number(None, None), "test": number(5, None)})
    assert np.isfinite(found["train"]).all()
    assert np.ptp(found["train"], axis=0).tolist() == [0] * found["train"].shape[1]


def test_a_constant_column_of_train_is_0_there():
    assert encoded({"train": number(3, 3), "test": number(4)})["train"].tolist() == [[0], [0]]


def test_categories_are_0_and_1_and_unseen_ones_0_everywhere():
    found = encoded({"train": text("b", "a", None, "b"), "test": text("c", "a", None)})
    assert found["train"].tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]]  # missing, a, b
    assert found["test"].tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_rare_categories_share_one_with_unseen_ones():
    often = [f"c{i:02}" for i in range(MOST_CATEGORIES - 1)]
    train = [*often, *often, *(f"rare {i}" for i in range(30))]
    found = encoded({"train": text(*train), "test": text("rare 3", "never seen", "c00")})
    assert found["train"].shape[1] == MOST_CATEGORIES
    assert (found["train"].sum(axis=1) == 1).all()
    assert found["test"][0].tolist() == found["test"][1].tolist() != found["test"][2].tolist()


def test_times_are_days_and_their_places_in_week_and_year():
    days = [datetime(2020, 1, 1) + timedelta(hours=31 * i) for i in range(20)]
    found = encoded({"train": time(*days)})["train"]
    since = np.array([(day - datetime(1970, 1, 1)).total_seconds() / 86400 for day in days])
    turns = [2 * np.pi * since / 7, 2 * np.pi * since / 365.2425]
    columns = np.column_stack([since, *(wave(turn) for turn in turns for wave in (np.sin, np.cos))])
    np.testing.assert_allclose(found, (columns - columns.mean(0)) / columns.std(0), atol=2e-4)
    again = encoded({"train": time(*days), "test": time(days[0] + timedelta(days=7), None)})["test"]
    np.testing.assert_allclose(again[0, 1:3], found[0, 1:3], atol=1e-4)  # a week later it is the same day
    assert np.isfinite(again).all()


def test_all_kinds_stand_beside_each_other_in_whatever_order():
    both = pa.table({"t": ["x", "y"], "a": [1.0, 3.0], "d": time(datetime(2020, 1, 1), datetime(2021, 1, 1))["d"]})
    found = encoded({"train": both})["train"]
    assert found.shape == (2, 1 + 5 + 2)
    assert found[:, 0].tolist() == [-1, 1]
    assert found[:, -2:].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_only_train_decides(part):
    def table(*rows):
        return pa.table({"a": pa.array([row[0] for row in rows], pa.float64()), "t": [row[1] for row in rows]})

    train, other = table((1, "x"), (2, "y"), (4, "x")), table((3, "x"))
    tables = {"train": train, "validation": other, "test": other}
    before = encoded(tables)
    after = encoded({**tables, part: table((1e9, "new"), (None, "x"), (-7, None))})
    for same in {"train", "validation", "test"} - {part}:
        assert np.array_equal(before[same], after[same])


def test_numbers_too_large_to_be_standardised_are_told():
    with pytest.raises(DatasetError, match="row 0 of train has features too large to be standardised"):
        encoded({"train": number(1e308, -1e308, 0)})
    with pytest.raises(DatasetError, match="row 1 of test has features too large"):
        encoded({"train": number(1, 2, 3), "test": number(1, 1e300)})
