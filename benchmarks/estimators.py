"""What the estimators gain over their base, by default and with settings chosen, beside kNN chosen by cross-validation.

`python -m benchmarks.estimators`

R2 of regressors and accuracy of classifiers on six splits of each set: the mean, and in brackets by how much the worst
split lies below the base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_friedman1
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from resmem_core.common.types import FloatArray
from resmem_core.estimators import ResMemClassifier, ResMemRegressor

SPLITS = 6
KNN = {"n_neighbors": [1, 2, 3, 5, 7, 10, 15, 20, 30, 50], "weights": ["uniform", "distance"]}
CHOSEN: dict[str, Any] = {"n_neighbors": "auto", "temperature": "auto", "gamma": "auto"}
Data = tuple[FloatArray, np.ndarray]


def waves(seed: int, n: int = 2000) -> Data:
    """Draw values that go up and down over a plane, as prices do over a map, with a linear part of six columns."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 6))
    y = 2 * np.sin(4 * X[:, 0]) * np.cos(3 * X[:, 1]) + X @ [0.5, -1, 0.3, 0.2, 0, 0] + rng.normal(scale=0.3, size=n)
    return X, y


def line(seed: int, n: int = 400) -> Data:
    """Draw values of a linear model with noise, which memory cannot better."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    return X, X @ rng.normal(size=6) + rng.normal(size=n)


SETS: dict[str, dict[str, Callable[[int], Data]]] = {
    "regression": {
        "diabetes": lambda seed: load_diabetes(return_X_y=True),
        "friedman1, 400": lambda seed: make_friedman1(400, noise=1, random_state=seed),
        "friedman1, 2000": lambda seed: make_friedman1(2000, noise=1, random_state=seed),
        "waves": waves,
        "line": line,
    },
    "classification": {
        "breast cancer": lambda seed: load_breast_cancer(return_X_y=True),
        "digits": lambda seed: load_digits(return_X_y=True),
    },
}
BASES: dict[str, dict[str, Any]] = {
    "regression": {
        "least squares": LinearRegression(),
        "ridge": Ridge(),
        "tree of depth 3": DecisionTreeRegressor(max_depth=3, random_state=0),
        "forest": RandomForestRegressor(30, random_state=0),
    },
    "classification": {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "tree of depth 3": DecisionTreeClassifier(max_depth=3, random_state=0),
        "forest": RandomForestClassifier(30, random_state=0),
    },
}


def methods(task: str, base: Any) -> Iterator[tuple[str, Any]]:
    """Yield every method by its name."""
    yield "base", base
    if task == "regression":
        yield "k = 20, gamma = 1", ResMemRegressor(base, n_neighbors=20, gamma=1)
        yield "default, chosen", ResMemRegressor(base)
        yield "kNN", GridSearchCV(KNeighborsRegressor(), KNN)
    else:
        yield "default", ResMemClassifier(base)
        yield "all chosen", ResMemClassifier(base, **CHOSEN)
        yield "kNN", GridSearchCV(KNeighborsClassifier(), KNN)


def scores(task: str, make: Callable[[int], Data], base: Any) -> dict[str, FloatArray]:
    """Return the score of every method on every split, a quarter of which is test."""
    found: dict[str, list[float]] = {}
    for seed in range(SPLITS):
        X, X_test, y, y_test = train_test_split(*make(seed), random_state=seed)
        for name, method in methods(task, base):
            found.setdefault(name, []).append(clone(method).fit(X, y).score(X_test, y_test))
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    """Print the table."""
    for task, sets in SETS.items():
        for number, (name, make) in enumerate(sets.items()):
            for base_name, base in BASES[task].items():
                found = scores(task, make, base)
                if number == 0 and base is next(iter(BASES[task].values())):
                    print(f"{task:16}{'base':20}" + "".join(f"{method:>24}" for method in found))
                cells = [f"{v.mean():.3f} ({(v - found['base']).min():+.3f})" for v in found.values()]
                print(f"{name:16}{base_name:20}" + "".join(map("{:>24}".format, cells)), flush=True)


if __name__ == "__main__":
    main()
