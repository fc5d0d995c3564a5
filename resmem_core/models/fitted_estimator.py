"""An estimator of scikit-learn's kind as the base model of an experiment: fitted on train, asked for every part.

Nothing of it is kept but what it says: no fitted object is ever read back.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError, ResMemError
from resmem_core.common.logits import logarithms
from resmem_core.common.progress import Progress, Step
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import save_array
from resmem_core.common.types import FloatArray
from resmem_core.data.base import PARTS
from resmem_core.data.types import VALUES, Dataset
from resmem_core.models.base import Estimator, backbone_of
from resmem_core.models.feature_encoding import encoded
from resmem_core.models.fitted import BaseModel
from resmem_core.models.linear_probe import NEVER
from resmem_core.models.text_encoding import DIMENSIONS, encoded_texts
from resmem_core.models.types import Embedded

VERSION = 1  # of the steps below; raise it when one of them would give other numbers
LARGE = 2**22  # numbers of the training part from which fitting takes long


def fitted_estimator(dataset: Dataset, spec: str, kind: str, seed: int, runner: Runner) -> BaseModel:
    """Return what the estimator that `spec` names says of every part, fitting it first where that is missing.

    Parameters
    ----------
    kind : str
        Of the dataset: its features, embeddings or pixels are what the estimator sees, and the embedding.

    Raises
    ------
    NeedsPreparing
        If it is yet to be fitted, this takes long, and the runner may not wait.
    InvalidParameterError
        If it does not take such data; the message quotes what it said.
    """
    backbone, argument = backbone_of(spec, kind)
    assert isinstance(backbone, Estimator)

    def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
        inputs = inputs_of(dataset, seed)
        progress(Step(f"Fitting {spec}", 0, 0))
        model = backbone.estimator(dataset.task, argument, seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # one that has not converged is a base model as good as any
                model.fit(inputs["train"], dataset.train.labels)
                outputs = _outputs(model, inputs, dataset)
        except ResMemError:
            raise
        except Exception as error:  # an estimator of anybody's may raise anything
            reason = " ".join(str(error).split())[:300]
            raise InvalidParameterError(f"backbone {spec!r} cannot be fitted to {dataset.name!r}: {reason}") from error
        for part in PARTS:
            save_array(directory, f"{part}_embeddings", inputs[part])
            save_array(directory, f"{part}_outputs", outputs[part])
        return {"estimator": " ".join(repr(model).split())}

    key = {"dataset": dataset.fingerprint, "backbone": spec, "seed": seed, "task": dataset.task, "version": VERSION}
    size = len(dataset.train) * _width(dataset)
    missing = f"{spec} is not fitted to {dataset.name!r} yet"
    entry = runner.run(Task("estimator", key, build, long=size >= LARGE, missing=missing))
    parts = {
        part: Embedded(np.array(entry.array(f"{part}_outputs")), entry.array(f"{part}_embeddings")) for part in PARTS
    }
    return BaseModel("trained here", None, None, entry.info, parts, entry.path.name)


def inputs_of(dataset: Dataset, seed: int = 0) -> dict[str, FloatArray]:
    """Return what an estimator sees of each part, (N, D): encoded features or texts, embeddings, or pixels from 0 to 1.

    Raises
    ------
    DatasetError
        If there is none of these.
    """
    parts = {part: getattr(dataset, part) for part in PARTS}
    if dataset.train.features is not None:
        return encoded({part: examples.features for part, examples in parts.items()})
    if dataset.train.texts is not None:
        return encoded_texts({part: examples.texts for part, examples in parts.items()}, seed)
    if dataset.train.embeddings is not None:
        return {part: examples.embeddings for part, examples in parts.items()}
    if dataset.train.images is None:
        raise DatasetError(f"{dataset.name!r} has no features, texts, embeddings or images to fit an estimator to")
    return {
        part: np.asarray(examples.images, np.float32).reshape(len(examples), -1) / np.float32(255)
        for part, examples in parts.items()
    }


def _width(dataset: Dataset) -> int:
    train = dataset.train
    if train.features is not None:
        return int(train.features.num_columns)
    if train.texts is not None:
        return DIMENSIONS
    seen = train.images if train.embeddings is None else train.embeddings
    return 1 if seen is None else int(np.prod(seen.shape[1:]))


def _outputs(model: Any, inputs: Mapping[str, FloatArray], dataset: Dataset) -> dict[str, FloatArray]:
    """Return logits (N, C) of each part, or predicted values (N, 1); what scores are is told by train's."""
    from resmem_core.models.estimator_outputs import gives_probabilities, scores_of, values_of

    if dataset.task == VALUES:
        return {part: values_of(model, x, len(x)) for part, x in inputs.items()}
    classes = np.unique(dataset.train.labels)
    scores = {part: scores_of(model, x, len(x), classes) for part, x in inputs.items()}
    probable = gives_probabilities(model, inputs["train"], scores["train"], classes)
    logits = {part: np.full((len(x), dataset.n_classes), NEVER, np.float32) for part, x in inputs.items()}
    for part, table in logits.items():
        table[:, classes] = logarithms(scores[part]) if probable else scores[part]
    return logits
