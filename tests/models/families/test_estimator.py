"""Estimators by name: which are made, with which parameters, and what is refused."""

import pytest

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.data.base import EMBEDDINGS, FEATURES, IMAGE, TEXT
from resmem_core.data.types import CLASSES, VALUES
from resmem_core.models import BACKBONES, backbone_of


def made(spec, task=CLASSES, seed=3, kind=FEATURES):
    backbone, argument = backbone_of(spec, kind)
    return backbone.estimator(task, argument, seed)


@pytest.mark.parametrize(
    ("spec", "task", "name"),
    [
        ("linear", CLASSES, "LogisticRegression"),
        ("linear", VALUES, "Ridge"),
        ("random-forest", CLASSES, "RandomForestClassifier"),
        ("random-forest", VALUES, "RandomForestRegressor"),
        ("gradient-boosting", CLASSES, "HistGradientBoostingClassifier"),
        ("gradient-boosting", VALUES, "HistGradientBoostingRegressor"),
        ("estimator:SVC", CLASSES, "SVC"),
        ("estimator:sklearn.svm.SVC", CLASSES, "SVC"),
        ("estimator:sklearn.linear_model.Lasso", VALUES, "Lasso"),
    ],
)
def test_a_name_and_a_task_make_an_estimator(spec, task, name):
    assert type(made(spec, task)).__name__ == name


def test_parameters_are_read_as_python_writes_them_and_never_run():
    found = made(
        "estimator:RandomForestClassifier?max_depth=3&max_features=None&criterion=entropy&bootstrap=False"
        "&min_samples_leaf=0.25"
    )
    given = found.get_params()
    assert (given["max_depth"], given["max_features"], given["criterion"]) == (3, None, "entropy")
    assert (given["bootstrap"], given["min_samples_leaf"]) == (False, 0.25)
    assert made("estimator:SVC?kernel=__import__('os').getcwd()").kernel == "__import__('os').getcwd()"


def test_it_is_seeded_unless_said_otherwise():
    assert made("estimator:RandomForestClassifier", seed=7).random_state == 7
    assert made("estimator:RandomForestClassifier?random_state=1", seed=7).random_state == 1
    assert made("random-forest", seed=7).random_state == 7


@pytest.mark.parametrize(
    ("spec", "task", "said"),
    [
        ("estimator:SVC", VALUES, "'estimator:SVC' tells classes, .* has values to predict; choose a regressor"),
        ("estimator:SVR", CLASSES, "'estimator:SVR' predicts values, .* has classes to predict; choose a classifier"),
        ("estimator:SVC?depth=3", CLASSES, "SVC has no parameter 'depth' but 'C'"),
        ("estimator:SVC?", CLASSES, r"expected parameters after the \?"),
        ("estimator:StackingClassifier", CLASSES, "needs other estimators .*; choose another"),
        ("estimator:os.system", CLASSES, "estimator:os.system is not known; expected one of scikit-learn's"),
        ("estimator:sklearn.utils.all_estimators", CLASSES, "is not known; expected"),
        ("estimator:StandardScaler", CLASSES, "is not known; expected"),
        ("estimator:sklearn.tree.SVC", CLASSES, "is not known; expected"),
        ("estimator:xgboost.Booster", CLASSES, "of xgboost there are 'XGBClassifier'"),
    ],
)
def test_what_is_no_such_estimator_is_told(spec, task, said):
    with pytest.raises(InvalidParameterError, match=said):
        made(spec, task)


@pytest.mark.parametrize(
    ("package", "name"),
    [("xgboost", "XGBClassifier"), ("lightgbm", "LGBMClassifier"), ("catboost", "CatBoostClassifier")],
)
def test_a_package_that_is_not_there_is_told(monkeypatch, package, name):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnavailableError, match=f"the package {package} is not installed; run: pip install {package}"):
        made(f"estimator:{package}.{name}")
    assert f"pip install {package}" in BACKBONES.get("estimator").unavailable(f"{package}.{name}")
    assert BACKBONES.get("estimator").unavailable("SVC") is None


def test_each_goes_with_data_of_its_kinds():
    assert [kind for kind in (FEATURES, EMBEDDINGS, IMAGE) if backbone_of("estimator:SVC", kind)]
    with pytest.raises(InvalidParameterError, match=r"goes with data of kind features, .* of kind image"):
        backbone_of("random-forest", IMAGE)
    with pytest.raises(InvalidParameterError, match="of kind text; choose another"):
        backbone_of("estimator:SVC", TEXT)
