"""Estimators of scikit-learn, XGBoost, LightGBM and CatBoost, by name: fitted to features, embeddings or pixels."""

from __future__ import annotations

import ast
import importlib
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.data.base import EMBEDDINGS, FEATURES, IMAGE, LABELLED, shown
from resmem_core.data.types import CLASSES, VALUES
from resmem_core.models.base import BACKBONES, Estimator

OTHERS = {  # packages beside scikit-learn whose estimators are known, and what these are
    "xgboost": ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"),
    "lightgbm": ("LGBMClassifier", "LGBMRegressor"),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor"),
}
QUIET: dict[str, dict[str, Any]] = {
    "lightgbm": {"verbose": -1},
    "catboost": {"verbose": False, "allow_writing_files": False},
}
TASKS = {CLASSES: "classifier", VALUES: "regressor"}


class ByName(Estimator):
    """`estimator:sklearn.ensemble.RandomForestClassifier?max_depth=3`: any classifier or regressor of these packages.

    The package may be left out where the class is scikit-learn's. Only estimators that the packages list are made,
    never another object of a module, as the name may come from an address.
    """

    name = "estimator"
    summary = "a scikit-learn, XGBoost, LightGBM or CatBoost estimator: estimator:sklearn.svm.SVC?C=3"
    argument: ClassVar[str | None] = "CLASS"
    kinds: ClassVar[tuple[str, ...]] = (FEATURES, EMBEDDINGS, IMAGE, LABELLED)

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return that there is no such estimator, or its package is not installed, if so."""
        try:
            _class_of(_parse(argument)[0])
        except (InvalidParameterError, UnavailableError) as error:
            return str(error)
        return None

    def estimator(self, task: str, argument: str | None, seed: int) -> Any:
        """Return it with the parameters given, seeded unless they say otherwise."""
        name, given = _parse(argument)
        kind = _class_of(name)
        try:
            made = kind(**QUIET.get(kind.__module__.partition(".")[0], {}))
        except TypeError as error:
            raise InvalidParameterError(f"estimator:{name} needs other estimators ({error}); choose another") from error
        known = made.get_params()
        if strange := [parameter for parameter in given if parameter not in known]:
            raise InvalidParameterError(
                f"estimator:{argument}: {name} has no parameter {strange[0]!r} but {shown(sorted(known))}"
            )
        if "random_state" in known or "random_seed" in known:
            seeded = "random_state" if "random_state" in known else "random_seed"
            given = {seeded: seed, **given}
        made.set_params(**given)
        check_task(f"estimator:{argument}", made, task)
        return made


def check_task(named: str, made: Any, task: str) -> None:
    """Raise where an estimator is for the other task, or for none."""
    from sklearn.base import is_classifier, is_regressor

    if not (is_classifier if task == CLASSES else is_regressor)(made):
        what = "tells classes" if is_classifier(made) else "predicts values" if is_regressor(made) else "does neither"
        raise InvalidParameterError(
            f"backbone {named!r} {what}, and the dataset has {task} to predict; choose a {TASKS[task]}"
        )


def _parse(argument: str | None) -> tuple[str, dict[str, Any]]:
    """Return the name of the class, and its parameters."""
    name, mark, query = (argument or "").partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    if mark and not pairs:
        raise InvalidParameterError(f"estimator:{argument}: expected parameters after the ?, as ?max_depth=3&C=0.1")
    return name.strip(), {parameter: _literal(text) for parameter, text in pairs}


def _literal(text: str) -> Any:
    """Return a number, True, None and the like as Python writes them; other text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _class_of(name: str) -> Any:
    package, _, last = name.rpartition(".")
    root = package.partition(".")[0] or "sklearn"
    if root in OTHERS:
        if last not in OTHERS[root]:
            raise InvalidParameterError(f"estimator:{name} is not known; of {root} there are {shown(OTHERS[root])}")
        try:
            return getattr(importlib.import_module(root), last)
        except ImportError as error:
            raise UnavailableError(f"the package {root} is not installed; run: pip install {root}") from error
    from sklearn.utils import all_estimators

    known = dict(all_estimators(type_filter=["classifier", "regressor"]))
    if root != "sklearn" or last not in known or not known[last].__module__.startswith(package or "sklearn"):
        able = ", ".join(["scikit-learn's classifiers and regressors", *(f"{of}.{c[0]}" for of, c in OTHERS.items())])
        raise InvalidParameterError(
            f"estimator:{name} is not known; expected one of {able}, such as estimator:sklearn.svm.SVC"
        )
    return known[last]


class Usual(Estimator):
    """An estimator with a setting that serves most tables."""

    kinds: ClassVar[tuple[str, ...]] = (FEATURES,)

    def __init__(self, name: str, summary: str, classifier: str, regressor: str) -> None:
        self.name, self.summary = name, summary
        self._of = {CLASSES: classifier, VALUES: regressor}

    def estimator(self, task: str, argument: str | None, seed: int) -> Any:
        """Return it."""
        return ByName().estimator(task, self._of[task], seed)


for usual in (
    Usual(
        "random-forest",
        "scikit-learn's random forest of 100 trees",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.ensemble.RandomForestRegressor",
    ),
    Usual(
        "gradient-boosting",
        "scikit-learn's gradient boosting on histograms",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.ensemble.HistGradientBoostingRegressor",
    ),
):
    BACKBONES.register(usual.name, usual)
BACKBONES.register(ByName.name, ByName())
