"""Every loader of examples x task x base model on tiny data: prepared, tuned, judged and explained alike.

A new kind of data is one more maker in `MAKERS`; a new base model that needs no download one more in `MODELS`.
"""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from resmem_core.common.store import Store
from resmem_core.data.base import EMBEDDINGS, FEATURES, IMAGE, LABELLED
from resmem_core.data.types import CLASSES, VALUES
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params

N = 60


def clusters(rng, n=N, dimension=3):
    """Return points of two classes in four clusters, and their classes."""
    cluster = rng.integers(0, 4, n)
    return 3 * np.eye(4, dimension)[cluster] + rng.normal(0, 0.6, (n, dimension)), cluster % 2


def arrays(folder, rng):
    """Write an .npz of embeddings, logits and labels."""
    given = {}
    for part in ("train", "validation", "test"):
        points, labels = clusters(rng)
        given |= {f"{part}_embeddings": points, f"{part}_labels": labels, f"{part}_logits": points[:, :2]}
    np.savez(folder / "mine.npz", **given)
    return f"arrays:{folder / 'mine.npz'}"


def table(folder, rng):
    """Write a Parquet table with a column of embeddings."""
    points, labels = clusters(rng, 2 * N)
    names = np.array(["cat", "dog"])[labels]
    pd.DataFrame({"embedding": list(points), "label": names}).to_parquet(folder / "mine.parquet")
    return f"table:{folder / 'mine.parquet'}"


def _frame(rng, n):
    points, labels = clusters(rng, n)
    frame = pd.DataFrame(points, columns=["a", "b", "c"]).round(4)
    frame.loc[::7, "b"] = np.nan
    frame["kind"] = rng.choice(["x", "y", "z"], n)
    frame["day"] = pd.date_range("2020-01-01", periods=n).astype(str)
    return frame, labels


def features_with_classes(folder, rng):
    """Write a CSV file with a column of classes."""
    frame, labels = _frame(rng, 2 * N)
    frame.assign(label=np.array(["cat", "dog"])[labels]).to_csv(folder / "classes.csv", index=False)
    return f"features:{folder / 'classes.csv'}"


def features_with_values(folder, rng):
    """Write a CSV file with a column of values."""
    frame, labels = _frame(rng, 2 * N)
    values = 100 + 5 * frame["a"] + 20 * labels + rng.normal(size=2 * N)
    frame.assign(price=values.round(3)).to_csv(folder / "values.csv", index=False, sep=";", decimal=",")
    return f"features:{folder / 'values.csv'}?target=price"


def folder_of_images(folder, rng):
    """Write a folder of pictures for each class."""
    for at in range(N):
        label = at % 2
        pixels = np.clip(rng.normal(70 + 90 * label, 40, (8, 8, 3)), 0, 255).astype(np.uint8)
        path = folder / "pictures" / ("cat", "dog")[label] / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return f"folder:{folder / 'pictures'}"


def arrays_of_values(folder, rng):
    """Write an .npz of embeddings, values and what a model predicts of them, without parts."""
    points, labels = clusters(rng, 2 * N)
    values = 10.5 + 3 * points[:, 0] + 4 * labels
    predictions = (10 + 3 * points[:, :1]).round(2)
    np.savez(folder / "mine.npz", X=points, y=values, predictions=predictions)
    return f"arrays:{folder / 'mine.npz'}"


def table_of_values(folder, rng):
    """Write a CSV table of embeddings and whole numbers that are values."""
    points, labels = clusters(rng, 2 * N)
    frame = pd.DataFrame(points.round(3), columns=["e0", "e1", "e2"]).assign(target=(9 * points[:, 0] + labels).round())
    frame.astype({"target": int}).to_csv(folder / "mine.csv", index=False)
    return f"table:{folder / 'mine.csv'}?task=values"


def images_with_values(folder, rng):
    """Write pictures, and a table of how bright they were meant to be."""
    rows = []
    for at, brightness in enumerate(rng.uniform(60, 190, 2 * N)):
        pixels = np.clip(rng.normal(brightness, 20, (8, 8)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{at}.png")
        rows.append({"path": f"{at}.png", "target": round(brightness, 1), "camera": "ab"[at % 2]})
    pd.DataFrame(rows).to_csv(folder / "pictures.csv", index=False)
    return f"images:{folder / 'pictures.csv'}"


def texts_with_values(folder, rng):
    """Write a table of texts and marks from 1 to 9."""
    marks = rng.integers(1, 10, 2 * N)
    words = [[*rng.choice(["film", "plot", "cast"], 3), *["good"] * mark, *["bad"] * (9 - mark)] for mark in marks]
    pd.DataFrame({"text": list(map(" ".join, words)), "label": marks}).to_csv(folder / "t.csv", index=False)
    return f"texts:{folder / 't.csv'}?task=values"


def texts(folder, rng):
    """Write JSON lines of texts with a column of classes."""
    labels = rng.integers(0, 2, 2 * N)
    words = [rng.choice(["tail", "paw", "ear", ("purr", "bark")[label]], 4) for label in labels]
    pd.DataFrame({"text": [" ".join(some) for some in words], "label": np.array(["cat", "dog"])[labels]}).to_json(
        folder / "texts.jsonl", orient="records", lines=True
    )
    return f"texts:{folder / 'texts.jsonl'}"


MAKERS = {  # of data: what writes it and returns its name, its kind and its task
    "arrays": (arrays, EMBEDDINGS, CLASSES),
    "table": (table, EMBEDDINGS, CLASSES),
    "features of classes": (features_with_classes, FEATURES, CLASSES),
    "features of values": (features_with_values, FEATURES, VALUES),
    "folder": (folder_of_images, IMAGE, CLASSES),
    "texts": (texts, LABELLED, CLASSES),
    "arrays of values": (arrays_of_values, EMBEDDINGS, VALUES),
    "table of values": (table_of_values, EMBEDDINGS, VALUES),
    "images with values": (images_with_values, IMAGE, VALUES),
    "texts with values": (texts_with_values, LABELLED, VALUES),
}
KNN = {CLASSES: "estimator:KNeighborsClassifier", VALUES: "estimator:KNeighborsRegressor"}
MODELS = {  # base models that need no download, by kind of data
    EMBEDDINGS: lambda task: ("precomputed", KNN[task]),
    FEATURES: lambda task: ("linear", "random-forest", "gradient-boosting", KNN[task]),
    LABELLED: lambda task: ("tfidf", KNN[task]),
    IMAGE: lambda task: ("linear", "small-cnn", KNN[task]),
}
CASES = [(data, backbone) for data, (_, kind, task) in MAKERS.items() for backbone in MODELS[kind](task)]
EPOCHS = {"linear", "small-cnn"}  # networks on images: a single pass is enough here


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a function from a maker's name to the dataset's name; each is written once."""
    made = {}

    def written(data):
        if data not in made:
            made[data] = MAKERS[data][0](tmp_path_factory.mktemp("data"), np.random.default_rng(0))
        return made[data]

    return written


@pytest.fixture(scope="module")
def opened(written, tmp_path_factory):
    """Return a function from a case to its experiment; each is prepared once."""
    made, store = {}, Store(tmp_path_factory.mktemp("store"))

    def opened(data, backbone):
        if (data, backbone) not in made:
            trained = MAKERS[data][1] == IMAGE and backbone in EPOCHS
            config = ExperimentConfig(written(data), backbone, epochs=1 if trained else None)
            made[data, backbone] = prepare(config, store=store)
        return made[data, backbone]

    return opened


def of_method(evaluation, method):
    """Return what a method predicts of every test point: classes, or values."""
    if hasattr(evaluation, "predictions"):
        return evaluation.predictions[method]
    return evaluation.methods[method].predictions


@pytest.mark.parametrize(("data", "backbone"), CASES)
def test_it_is_prepared_tuned_judged_and_explained(opened, data, backbone):
    experiment = opened(data, backbone)
    task = MAKERS[data][2]
    assert experiment.dataset.task == task
    tuned = experiment.tune()
    result = experiment.evaluate(tuned.params)
    for part in ("train", "validation", "test"):
        assert np.isfinite(experiment.embeddings(part)).all()
    if task == VALUES:
        base = np.asarray(experiment.base.parts["test"].logits)[:, 0]
        truth = experiment.dataset.test.labels
        assert np.array_equal(of_method(result, "base"), base)
        assert result.measures["rmse"]["base"] == pytest.approx(np.sqrt(((base - truth) ** 2).mean()))
        found = experiment.explain(0, tuned.params)
        assert found.prediction == pytest.approx(of_method(result, "resmem")[0])
    else:
        base = np.asarray(experiment.base.parts["test"].logits[:]).argmax(axis=1)
        assert np.array_equal(of_method(result, "base"), base)
        found = experiment.explain(0, tuned.params)
        assert found.prediction == of_method(result, "resmem")[0]
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["k"] == tuned.params.k


@pytest.mark.parametrize(("data", "backbone"), CASES)
def test_at_gamma_0_base_is_left(opened, data, backbone):
    experiment = opened(data, backbone)
    result = experiment.evaluate(Params(3, experiment.sigma_scale, 1.0, 0.0))
    assert np.array_equal(of_method(result, "resmem"), of_method(result, "base"))


@pytest.mark.parametrize(("data", "backbone"), [case for case in CASES if case[1].startswith(("estimator:", "random"))])
def test_base_is_the_estimator_alone(opened, data, backbone):
    from sklearn.base import clone

    from resmem_core.models import backbone_of
    from resmem_core.models.fitted_estimator import inputs_of

    experiment = opened(data, backbone)
    dataset, inputs = experiment.dataset, inputs_of(experiment.dataset)
    family, argument = backbone_of(backbone, MAKERS[data][1])
    alone = clone(family.estimator(dataset.task, argument, 0)).fit(inputs["train"], dataset.train.labels)
    base = of_method(experiment.evaluate(experiment.default_params()), "base")
    np.testing.assert_allclose(base, alone.predict(inputs["test"]))


@pytest.mark.parametrize("data", MAKERS)
def test_what_memory_forgets_is_no_neighbour(opened, data):
    _, kind, task = MAKERS[data]
    experiment = opened(data, MODELS[kind](task)[0])
    forgotten = np.unique(experiment.test.neighbors.first(2).indices)[:5].tolist()
    edited = experiment.edited(Edits().forget(forgotten))
    assert edited.n_memory == experiment.n_memory - len(forgotten)
    assert not np.isin(edited.test.neighbors.indices, forgotten).any()
    assert edited.tune().as_dict() == experiment.tune().as_dict()  # what edits change is theirs alone


def test_every_kind_of_example_and_task_is_here():
    assert {(kind, task) for _, kind, task in MAKERS.values()} >= {
        *product((EMBEDDINGS, FEATURES, IMAGE, LABELLED), (CLASSES, VALUES))
    }
