"""The verdict in words, held against the numbers that it is about."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.evaluation.conclusions import FEW_WRONG, LEVEL, conclude
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.evaluation.metrics import delta_interval, gain_interval
from resmem_core.evaluation.values import ValueEvaluation
from resmem_core.evaluation.verdict import LEADS, NAMED, NAMES, Difference, Loser, Ratio, kind_of
from resmem_core.memory.interpolation import Rival, Rivals
from resmem_core.memory.types import Memory, Neighbors, Params, Queries

NAMES_OF_CLASSES = ("A", "B", "C")
PARAMS = Params(1, 1.0)
RIVALS = Rivals(Rival(3, 1.0, 1.0), Rival(3, 1.0, 0.9), Rival(3, 1.0, 0.9))
SAYS = {"helps": "ResMem is better than", "not distinguishable": "as far as these points tell", "harms": " is better: "}


def judged(labels, base, resmem, knn, groups=None, rivals=RIVALS, distances=None):
    """Return an evaluation in which the methods say these very classes, interpolation as soft kNN does.

    ResMem asks the nearest memory alone, soft kNN three; base has its class in front by little.
    """
    labels, base, resmem, knn = (np.asarray(of) for of in (labels, base, resmem, knn))
    memory = Memory(np.zeros((6, 3), np.float32), np.array([0, 1, 2, 0, 1, 2]))
    near = np.ones((len(labels), 3), np.float32) if distances is None else np.asarray(distances, np.float32)[:, None]
    ids = np.stack([resmem, knn, knn + 3], axis=1)
    logits = (0.1 * np.eye(3)[base]).astype(np.float32)
    queries = Queries(logits, labels, Neighbors(np.broadcast_to(near, ids.shape), ids), groups)
    return evaluate(memory, queries, PARAMS, NAMES_OF_CLASSES, rivals=rivals, smoothing=0.1)


@st.composite
def evaluations(draw):
    """Draw one whose methods are right with shares of their own, with groups or without."""
    n, seed = draw(st.integers(1, 120)), draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    said = []
    for share in draw(st.tuples(*[st.sampled_from([0.05, 0.5, 0.9, 1.0])] * 3)):
        said.append(np.where(rng.random(n) < share, labels, rng.integers(0, 3, n)))
    groups = rng.integers(0, draw(st.integers(1, 12)), n) if draw(st.booleans()) else None
    return labels, *said, groups


@settings(max_examples=25)
@given(data=evaluations(), on_validation=st.booleans())
def test_it_says_what_the_intervals_say(data, on_validation):
    labels, base, resmem, _, groups = data
    found = judged(*data)
    assert found.predictions["base"].tolist() == base.tolist()
    assert found.predictions["resmem"].tolist() == resmem.tolist()
    told = conclude(found, on_validation=on_validation)
    words, (low, high) = told.sentences, found.delta_ci95
    assert (told.kind == "helps") == (low > 0)
    assert (told.kind == "harms") == (high < 0)
    assert [kind for kind, lead in LEADS.items() if words["base"].startswith(f"{lead}: ")] == [told.kind]
    assert f"{100 * found.delta:+.2f} points against the base model" in words["base"]
    assert f"95 % interval {100 * low:+.2f} to {100 * high:+.2f}, {found.scope}" in words["base"]

    rival = found.against_rival
    assert told.rivals[0].name == found.best_rival
    assert ("ResMem is better than" in words["rivals"]) == (rival.gain_ci95[0] > 0)
    first = words["rivals"].lower().index(NAMES[found.best_rival].lower())
    assert first == min(words["rivals"].lower().find(NAMES[name].lower()) % 10**6 for name in ("knn", "interpolation"))
    for of in told.rivals:
        by = found.versus[of.name]
        assert (of.gain, of.gain_ci95) == (by.gain, by.gain_ci95)
        if of is told.rivals[0] or of.kind != "helps":
            assert f"{100 * by.gain:+.2f} points" in words["rivals"]
            assert f"({100 * by.gain_ci95[0]:+.2f} to {100 * by.gain_ci95[1]:+.2f})" in words["rivals"]
    assert SAYS[told.rivals[0].kind] in words["rivals"]

    likely = told.probabilities
    assert (likely is None) == (not np.isfinite(rival.perplexity_ratio_ci95).all())
    if likely is not None:
        low, high = rival.perplexity_ratio_ci95
        assert (likely.name, likely.ratio) == (found.best_rival_perplexity, rival.perplexity_ratio)
        assert f"{likely.ratio:.4g} times the perplexity ({low:.4g} to {high:.4g})" in words["probabilities"]
        assert ("are better than" in words["probabilities"]) == (high < 1)
        assert ("are worse than" in words["probabilities"]) == (low > 1)

    below = {of.name: of for of in found.per_class if of.gain_ci95[1] < 0}
    assert {of.name for of in told.losers} == set(below)
    for of in told.losers:
        rows = labels == NAMES_OF_CLASSES.index(of.name)
        parts = (found.right("base")[rows], found.right("resmem")[rows], None if groups is None else groups[rows])
        assert of.certain == (gain_interval(*parts, LEVEL / len(found.per_class))[1] < 0)
        assert f"{of.name}: {100 * of.gain:+.2f} points" in words["classes"]
    if len(found.per_class) > 1:
        assert ("lose" in words["classes"].replace("No class is sure to lose", "")) == bool(below)
        assert ("No class gets fewer right" in words["classes"]) == all(of.gain >= 0 for of in found.per_class)

    assert (told.needed is not None) == ("would be needed" in words.get("points", ""))
    if told.needed is not None:
        assert told.kind == "not distinguishable"
        assert told.needed > told.n_units == found.n_groups
    assert ("flatter" in words.get("setting", "")) != on_validation
    assert ("validation" in told.advice) != on_validation
    wrong = int((~found.right("base")).sum())
    assert ("harder" in told.advice) == (wrong < FEW_WRONG)
    if "harder" in told.advice:
        assert told.kind != "helps"  # it says that no gain could show
    assert json.loads(json.dumps(told.as_dict(), allow_nan=False))["sentences"] == words


@settings(max_examples=10)
@given(data=evaluations())
def test_base_and_resmem_changing_places_turn_it_round(data):
    labels, base, resmem, knn, groups = data
    there, back = (
        conclude(judged(labels, *pair, knn, groups), on_validation=True) for pair in ((base, resmem), (resmem, base))
    )
    turned = {"helps": "harms", "harms": "helps", "not distinguishable": "not distinguishable"}
    assert back.kind == turned[there.kind]
    assert back.base.gain == -there.base.gain
    assert back.base.gain_ci95 == pytest.approx([-end for end in there.base.gain_ci95[::-1]])
    if there.needed is not None and back.needed is not None:
        assert back.needed == pytest.approx(there.needed, rel=0.1)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(8, 60),
    noise=st.tuples(*[st.sampled_from([0.1, 0.3, 1.0])] * 3),
    gamma=st.sampled_from([0.0, 0.5]),
    groups=st.sampled_from([None, 1, 6]),
)
def test_of_values_it_says_what_their_intervals_say(seed, n, noise, gamma, groups):
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=n)
    said = {m: targets + s * rng.normal(size=n) for m, s in zip(("base", "knn", "resmem"), noise, strict=True)}
    place = None if groups is None else np.arange(n) % groups
    params = Params(3, 1.0, 1.0, gamma)
    found = ValueEvaluation(params, params, said, targets, place, rng.random(n).astype(np.float32))
    told = conclude(found, on_validation=True)
    gain, swapped = found.against("base"), {**said, "base": said["resmem"], "resmem": said["base"]}
    low, high = gain.rmse_ci95
    assert (told.kind == "helps") == (low > 0)
    assert (told.kind == "harms") == (high < 0)
    assert f"{abs(gain.rmse):.4g} {'less' if gain.rmse >= 0 else 'more'} RMSE against the base" in told.headline
    if groups != 1:
        assert f"{low:+.4g} to {high:+.4g} saved" in told.sentences["base"]
    assert ("ResMem is better than soft kNN" in str(told)) == (found.against("knn").rmse_ci95[0] > 0)
    assert ("gamma" in told.advice) == (gamma == 0)
    assert "classes" not in told.sentences
    back = conclude(replace(found, predictions=swapped), on_validation=True)
    assert {told.kind, back.kind} in ({"helps", "harms"}, {"not distinguishable"})
    json.dumps(told.as_dict(), allow_nan=False)


@given(
    low=st.floats(-1, 1),
    width=st.floats(0, 1),
    gain=st.floats(-1, 1),
)
def test_a_kind_is_where_the_interval_lies(low, width, gain):
    of = Difference("knn", gain, (low, low + width))
    assert of.kind == ("helps" if low > 0 else "harms" if low + width < 0 else "not distinguishable")
    assert Ratio("base", 1 + low, (1 + low, 1 + low + width)).kind in {
        "harms" if 1 + low > 1 else "helps" if 1 + low + width < 1 else "not distinguishable"
    }
    assert kind_of((np.nan, np.nan)) == "not distinguishable"


def test_so_many_points_tell_a_difference_of_that_size():
    """At the number said, an effect of the size seen is told from chance most of the time."""
    fixed, broken, n = 9, 4, 100
    right = np.arange(n)
    labels = np.zeros(n, int)
    base, resmem = np.where(right < fixed, 1, 0), np.where((right >= fixed) & (right < fixed + broken), 1, 0)
    told = conclude(judged(labels, base, resmem, base), on_validation=True)
    assert told.kind == "not distinguishable"
    drawn = np.random.default_rng(0).multinomial(told.needed, [0.09, 0.04, 0.87], 400)
    found = np.mean([delta_interval(int(f), int(b), told.needed)[0] > 0 for f, b, _ in drawn])
    assert 0.7 < found < 0.9


def test_of_many_losers_a_few_are_named_and_chance_is_told():
    told = conclude(judged([0, 1], [0, 1], [0, 1], [0, 1]), on_validation=True)
    some = tuple(Loser(f"c{i}", -0.5, (-0.9, -0.1)) for i in range(5))
    words = replace(told, losers=some, n_classes=100).sentences["classes"]
    assert [f"c{i}" in words for i in range(5)] == [i < NAMED for i in range(5)]
    assert "2 more" in words
    assert "may lose: of 100 intervals about 2.5 lie below 0 by chance" in words
    words = replace(told, losers=(replace(some[0], certain=True, name="\n"),), n_classes=100).sentences["classes"]
    assert words == r"Class '\n': -50.00 points (-90.00 to -10.00) loses, even allowing for 100 classes looked at."


def test_what_to_try_follows_from_the_numbers():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    wrong = (labels + 1) % 3
    right_half = np.where(np.arange(200) < 100, labels, wrong)
    helped = judged(labels, wrong, right_half, right_half, distances=np.arange(200))
    told = conclude(helped, on_validation=True, k_max=1, n_memory=6, recall=0.9, base_on_memory=1.0)
    assert set(told.advice) == {"k", "index", "memory", "rival", "seeds"}
    assert "90.0%" in told.advice["index"]
    assert not {"k", "index"} & set(conclude(helped, on_validation=True, k_max=1, n_memory=1).advice)
    assert not {"k", "seeds"} & set(conclude(helped, on_validation=False, k_max=1, n_memory=6).advice)

    harmed = conclude(judged(labels, labels, right_half, labels), on_validation=True, base_on_memory=0.995)
    assert set(harmed.advice) == {"gamma", "harder", "base", "broken", "rival", "seeds"}
    assert "what the 100 points share" in harmed.advice["broken"]
    assert "99.5%" in harmed.advice["base"]
    assert "is wrong on 0 of 200 points" in harmed.advice["harder"]


def test_rivals_that_were_not_tuned_are_called_so():
    labels = [0, 1, 2] * 10
    same = judged(labels, labels, labels, labels, rivals=Rivals.untuned(PARAMS))
    told = conclude(same, on_validation=False)
    assert not told.rivals_tuned
    assert "at ResMem's own k and sigma" in told.sentences["rivals"]
    assert "best temperature" not in str(told)
    assert "own k and sigma" not in str(conclude(judged(labels, labels, labels, labels), on_validation=True))


def test_one_group_tells_nothing():
    labels = [0, 1, 2] * 10
    told = conclude(judged(labels, [0] * 30, labels, labels, groups=np.zeros(30, int)), on_validation=True)
    assert (told.kind, told.needed) == ("not distinguishable", None)
    assert "one group, which tells nothing of others" in str(told)
