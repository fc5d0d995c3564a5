"""How far the probabilities of a method can be believed."""

from __future__ import annotations

from resmem_core.evaluation.evaluate import METRICS, Evaluation, Metric
from resmem_core.evaluation.figures import LIKELIHOODS, METHODS


def _perplexity(evaluation: Evaluation) -> dict[str, float]:
    return {method: evaluation.perplexity[method] for method in LIKELIHOODS if method in METHODS}


def _calibration(name: str, summary: str) -> None:
    """Register a field of `Calibration`."""

    def values(evaluation: Evaluation) -> dict[str, float]:
        return {method: getattr(of, name) for method, of in evaluation.calibration.items() if method in METHODS}

    METRICS.register(name, Metric(name, summary, False, values))


METRICS.register("perplexity", Metric("perplexity", "exp of the mean negative log-likelihood", False, _perplexity))
_calibration("nll", "mean negative log-likelihood in nats, of probabilities raised to a floor")
_calibration("brier", "mean squared distance between the probabilities and the one-hot label")
_calibration("ece", "expected calibration error of the predicted class")
