"""The grid over the few classes that can win: see `support`.

As in `dense_sweep` the sums over the neighbours grow from one k to the next, but over each query's support only: what
is right there is right, up to a number of queries that is counted.
"""

from __future__ import annotations

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import NLL_FLOOR
from resmem_core.memory.blocks import all_blocks, inverses, nearer
from resmem_core.memory.grid import STAGE, Tallies, Tally, Task
from resmem_core.memory.output import BaseBlock, Partitions, outputs
from resmem_core.memory.support import Supports, block_size

COLDEST = 0.01  # below this temperature the rounding of logits decides


def tallies(task: Task) -> Tallies:
    """Judge every setting; of each neighbour 4 (T + 1) bytes are kept.

    Raises
    ------
    InvalidParameterError
        If a temperature is below `COLDEST`.
    """
    from resmem_core.memory.sparse_kernel import sweep_supports

    memory, queries, grid, smoothings, progress = task
    if (coldest := grid.temperatures.min()) < COLDEST:
        raise InvalidParameterError(f"temperature={coldest} must be at least {COLDEST} here")
    rows_of = outputs(memory.logits)
    indices = queries.neighbors.indices
    partitions = Partitions.of(rows_of, len(memory), indices, grid.temperatures, progress)
    inverse_temperatures, inverse_sigmas = inverses(grid.temperatures), inverses(grid.sigmas)

    def judge(rows: slice) -> tuple[int, Tally]:
        some = queries.take(rows)
        base = BaseBlock.of(some, grid.temperatures)
        base_right = base.predictions == some.labels
        tally = Tally.zeros(grid.shape, len(smoothings))
        sweep_supports(
            *Supports.of(rows_of, memory.labels, some, base, partitions),
            nearer(some),
            base_right,
            base.log_own,
            inverse_temperatures,
            inverse_sigmas,
            grid.ks,
            smoothings,
            NLL_FLOOR,
            *tally,
        )
        return int(base_right.sum()), tally

    yield from all_blocks(judge, len(queries), block_size(rows_of, indices.shape[1]), progress, STAGE)
