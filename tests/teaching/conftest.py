import pytest

from resmem_core import simulate_theory


@pytest.fixture(scope="session")
def simulated():
    """Return a simulation of 30 training sets for each of three sizes, by dimension."""
    return {d: simulate_theory(d, (200, 800, 3_200), 30) for d in (1, 2, 4, 9)}
