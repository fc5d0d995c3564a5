"""ResMem on a curve: a small network learns what it can of it, memory keeps what the network leaves.

Shapes: N training points, M points of the test grid.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import Form, between, flag, one_of, positive, setting, whole
from resmem_core.common.types import FloatArray

if TYPE_CHECKING:
    from sklearn.neural_network import MLPRegressor

    from resmem_core.estimators import ResMemRegressor

AUTO = "auto"
LEARNING_RATE = 0.03
LATTICE = 10_000  # places where a training point may lie; none of them is on the test grid
GRID = np.linspace(-1, 1, 1001)
GRID.flags.writeable = False


def wiggle(x: np.ndarray) -> np.ndarray:
    """Return a slow wave that carries a fast one."""
    return np.sin(np.pi * x) + 0.3 * np.sin(9 * np.pi * x)


def staircase(x: np.ndarray) -> np.ndarray:
    """Return five flat steps."""
    return np.round(2.4 * x) / 2.4


def chirp(x: np.ndarray) -> np.ndarray:
    """Return a wave that swings ever faster."""
    return np.sin(1.5 * np.pi * (1 + x) ** 2)


def bumps(x: np.ndarray) -> np.ndarray:
    """Return a slow wave with three narrow bumps."""
    return 0.5 * np.sin(np.pi * x) + sum(np.exp(-(((x - c) / 0.03) ** 2)) for c in (-0.6, 0.1, 0.7))


def smooth(x: np.ndarray) -> np.ndarray:
    """Return a single smooth rise."""
    return np.tanh(2 * x)


class Target(NamedTuple):
    """A curve on [-1, 1] to be learned: its values, (M,) -> (M,), what it is called, and what it shows."""

    curve: Callable[[np.ndarray], np.ndarray]
    title: str
    lesson: str


TARGETS = {
    "wiggle": Target(wiggle, "Slow wave, fast wiggle", "A small network takes the slow wave; the wiggle is left over."),
    "staircase": Target(staircase, "Staircase", "The network smooths the edges; neighbours from both sides blur them."),
    "chirp": Target(chirp, "Chirp", "It swings faster to the right: watch how far the network follows, and memory."),
    "bumps": Target(bumps, "Rare narrow bumps", "Few training points lie on a bump: memory knows only what they saw."),
    "smooth": Target(
        smooth, "Smooth rise", "The network can learn all of it: then nothing but noise is left to memorise."
    ),
}


def bandwidth(text: str) -> float | str:
    """Read sigma: a finite number above 0, or "auto"."""
    if text == AUTO:
        return text
    try:
        return positive(text)
    except InvalidParameterError:
        raise InvalidParameterError(f"{text!r} is neither {AUTO!r} nor a finite number above 0") from None


@dataclass(frozen=True)
class Curve(Form):
    """What the page shows: a target and its readings, a network, a memory, and how much of it all is drawn."""

    target: str = setting("wiggle", one_of(tuple(TARGETS)), "the curve to be learned")
    noise: float = setting(0.05, between(0, 0.5), "standard deviation of the noise on the training values")
    n: int = setting(120, whole(10, 500), "number of training points")
    width: int = setting(16, whole(1, 64), "units in the network's hidden layer")
    steps: int = setting(300, whole(1, 2000), "training steps of the network")
    k: int = setting(5, whole(1, 100), "number of neighbours")
    sigma: float | str = setting(0.05, bandwidth, "bandwidth, in units of x; auto: by the library's rule")
    seed: int = setting(0, whole(0, 2**31 - 1), "seed of points, noise and starting weights")
    step: int = setting(1, whole(1, 5), "step of the explanation; 5 is all together")
    repeat: bool = setting(False, flag, "repeat with more seeds")

    @property
    def neighbors(self) -> int:
        """Neighbours that memory can ask: k, or all training points where they are fewer."""
        return min(self.k, self.n)

    def of_numbers(self) -> Curve:
        """Return the form with only what shapes the numbers: all else as by default."""
        return replace(self, step=Curve.step, repeat=Curve.repeat)

    def of_base(self) -> Curve:
        """Return the form with only what shapes the network: all else as by default."""
        return replace(self.of_numbers(), k=Curve.k, sigma=Curve.sigma)


PRESETS = {
    "Memory helps": Curve(),
    "Memory hurts": Curve(target="smooth", noise=0.3, k=1),
    "Nothing to memorise": Curve(target="smooth", noise=0.0, steps=1000),
}


def sample(curve: Curve) -> tuple[FloatArray, FloatArray]:
    """Draw the training points: distinct places in order, and noisy readings of the target there, (N,) and (N,)."""
    rng = np.random.default_rng(curve.seed)
    x = (np.sort(rng.choice(LATTICE, curve.n, replace=False)) + 0.5) * 2 / LATTICE - 1
    return x, TARGETS[curve.target].curve(x) + curve.noise * rng.normal(size=curve.n)


def fit_base(curve: Curve) -> MLPRegressor:
    """Train the network on the sample: all points in each step, as many steps as asked for."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    x, y = sample(curve)
    network = MLPRegressor(
        hidden_layer_sizes=(curve.width,),
        activation="tanh",
        alpha=0,
        batch_size=curve.n,
        learning_rate_init=LEARNING_RATE,
        max_iter=curve.steps,
        tol=0,
        n_iter_no_change=curve.steps,
        random_state=curve.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # that it stops early is the point
        return network.fit(x[:, None], y)


@dataclass(frozen=True)
class Outcome:
    """What came of it, in numbers.

    Attributes
    ----------
    curve : Curve
    base_test, resmem_test : float
        Root mean squared error against the noise-free target on the test grid, without and with memory.
    base_train, resmem_train : float
        The same against the noisy values at the training points.
    voters : float
        Effective number of neighbours, 1 / sum_i w_i^2, mean over the test grid: from 1 to k.
    """

    curve: Curve
    base_test: float
    resmem_test: float
    base_train: float
    resmem_train: float
    voters: float


@dataclass(frozen=True, eq=False)
class View:
    """Everything there is to draw.

    Attributes
    ----------
    x, y, residuals : ndarray, shape (N,)
        Training points, their noisy values, and what the network leaves of them.
    grid, target, base, resmem : ndarray, shape (M,)
        Places, noise-free target, network, network + memory.
    sigma : float
        Bandwidth used.
    outcome : Outcome
    """

    x: FloatArray
    y: FloatArray
    residuals: FloatArray
    grid: FloatArray
    target: FloatArray
    base: FloatArray
    resmem: FloatArray
    sigma: float
    outcome: Outcome

    @property
    def memory(self) -> FloatArray:
        """What memory adds: the k-NN fit of the residuals, (M,)."""
        return self.resmem - self.base


def remember(curve: Curve, base: MLPRegressor) -> ResMemRegressor:
    """Put memory around the trained network."""
    from sklearn.frozen import FrozenEstimator

    from resmem_core.estimators import ResMemRegressor

    x, y = sample(curve)
    return ResMemRegressor(FrozenEstimator(base), n_neighbors=curve.neighbors, sigma=curve.sigma, gamma=1).fit(
        x[:, None], y
    )


def view(curve: Curve, base: MLPRegressor) -> View:
    """Return what the form shows, with the network that `fit_base` trained for it."""
    from sklearn.metrics import root_mean_squared_error as rmse

    from resmem_core.memory.residuals import neighbor_weights

    x, y = sample(curve)
    model = remember(curve, base)
    target = TARGETS[curve.target].curve(GRID)
    on_grid, on_train = base.predict(GRID[:, None]), base.predict(x[:, None])
    resmem = model.predict(GRID[:, None])
    weights = neighbor_weights(model.kneighbors(GRID[:, None])[0], model.sigma_)  # (M, K)
    outcome = Outcome(
        curve,
        base_test=rmse(on_grid, target),
        resmem_test=rmse(resmem, target),
        base_train=rmse(on_train, y),
        resmem_train=rmse(model.predict(x[:, None]), y),
        voters=float((1 / (weights**2).sum(axis=1)).mean()),
    )
    return View(x, y, y - on_train, GRID, target, on_grid, resmem, model.sigma_, outcome)


def repeat(curve: Curve, seeds: Iterable[int], base_of: Callable[[Curve], Any] = fit_base) -> tuple[Outcome, ...]:
    """Return what comes of it under each seed; `base_of` trains the network, or knows it."""
    each = (replace(curve, seed=seed) for seed in seeds)
    return tuple(view(one, base_of(one.of_base())).outcome for one in each)


def code(curve: Curve) -> str:
    """Return the few lines of Python that give the two test errors."""
    target = TARGETS[curve.target].curve
    return f"""import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPRegressor

from resmem_core import ResMemRegressor


{inspect.getsource(target)}

rng = np.random.default_rng({curve.seed})
x = (np.sort(rng.choice({LATTICE}, {curve.n}, replace=False)) + 0.5) * 2 / {LATTICE} - 1
y = {target.__name__}(x) + {curve.noise} * rng.normal(size={curve.n})

base = MLPRegressor(
    hidden_layer_sizes=({curve.width},), activation="tanh", alpha=0, batch_size={curve.n}, random_state={curve.seed},
    learning_rate_init={LEARNING_RATE}, max_iter={curve.steps}, tol=0, n_iter_no_change={curve.steps},
).fit(x[:, None], y)  # warns that it stopped before it converged: that is meant
model = ResMemRegressor(FrozenEstimator(base), n_neighbors={curve.neighbors}, sigma={curve.sigma!r}, gamma=1)
model.fit(x[:, None], y)

grid = np.linspace(-1, 1, {len(GRID)})
base_error, resmem_error = (
    np.sqrt(np.mean((fitted.predict(grid[:, None]) - {target.__name__}(grid)) ** 2)) for fitted in (base, model)
)
print(f"test error: {{base_error:.3f}} network, {{resmem_error:.3f}} with memory")
"""
