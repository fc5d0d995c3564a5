"""The inner loops of exact search over large memories, compiled by Numba; see `memory.dense_kernel` on that."""

from __future__ import annotations

import numba
import numpy as np
from numba import float32, int64, uint32, uint64, void

from resmem_core.common.vector_loops import read_only

ONE, ONES = np.uint64(1), np.uint64(0x0101010101010101)
FULL = -1  # the count of a query with more candidates than there is room for


@numba.njit(nogil=True, cache=True)
def _largest(x, n, k):
    """Return the k-th largest of x[:n], whose order is lost: Hoare's selection."""
    low, high, k = 0, n - 1, k - 1
    while low < high:
        pivot = x[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while x[i] > pivot:
                i += 1
            while x[j] < pivot:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return x[k]


@numba.njit(nogil=True, cache=True, fastmath={"nnan", "nsz", "contract"}, inline="never")
def _mark(products, halves, limit, flags):
    for c in range(products.shape[0]):
        flags[c] = products[c] - halves[c] >= limit


@numba.njit(nogil=True, cache=True, fastmath={"nnan", "nsz", "contract", "reassoc"}, inline="never")
def _distance(a, b):
    square = 0.0
    for d in range(a.shape[0]):
        difference = np.float64(a[d]) - np.float64(b[d])
        square += difference * difference
    return np.sqrt(square)


@numba.njit(nogil=True, cache=True)
def _cut(found, ids, count, limit):
    """Keep the candidates that reach the limit, in their order; return how many there are."""
    kept = 0
    for j in range(count):
        if found[j] >= limit:
            found[kept], ids[kept] = found[j], ids[j]
            kept += 1
    return kept


@numba.njit(
    void(
        *[read_only(float32, 2), read_only(float32, 1), int64, int64, read_only(float32, 1)],
        *[float32[::1], float32[:, ::1], int64[:, ::1], int64[::1]],
    ),
    nogil=True,
    cache=True,
)
def collect(
    products,  # (B, n), q z
    halves,  # (n,), |z|^2 / 2
    first,  # id of the first of these n points
    k,
    error,  # (B,), of two closenesses together
    limit,  # (B,), the least closeness wanted; raised where room runs out
    found,  # (B, R), closenesses of the candidates, filled up
    ids,  # (B, R), their ids, filled up
    count,  # (B,), how many there are, or `FULL`
):
    """Add to each query's candidates those of n points that are as close as the limit; closeness is q z - |z|^2 / 2."""
    n_points, room = products.shape[1], found.shape[1]
    flags = np.zeros((n_points + 7) // 8 * 8, np.uint8)
    eights = flags.view(np.uint64)
    work = np.empty(room, np.float32)
    for row in range(products.shape[0]):
        n = count[row]
        if n == FULL:
            continue
        _mark(products[row], halves, limit[row], flags)
        for eight in range(len(eights)):
            marked = eights[eight]
            while marked != 0 and n != FULL:
                before = ((marked & (~marked + ONE)) - ONE) & ONES  # a one for each byte before the first mark
                c = 8 * eight + int64((before * ONES) >> np.uint64(56))
                marked &= marked - ONE
                closeness = products[row, c] - halves[c]
                found[row, n], ids[row, n] = closeness, first + c
                n += 1 if closeness >= limit[row] else 0  # it may have been raised
                if n == room:
                    work[:] = found[row]
                    limit[row] = _largest(work, n, k) - error[row]
                    n = _cut(found[row], ids[row], n, limit[row])
                    n = FULL if n == room else n
        count[row] = n


@numba.njit(
    void(int64, *[read_only(float32, 1), read_only(float32, 1)], *[float32[:, ::1], int64[:, ::1], int64[::1]]),
    nogil=True,
    cache=True,
)
def narrow(
    k,
    error,  # (B,)
    limit,  # (B,), the least closeness of a candidate
    found,  # (B, R)
    ids,  # (B, R)
    count,  # (B,), lowered to the candidates that are left: none, where points below the limit may be as near
):
    """Leave each query its k closest candidates and what may be as near."""
    work = np.empty(found.shape[1], np.float32)
    for row in range(len(count)):
        n = count[row]
        kept = 0
        if n >= k:
            work[:n] = found[row, :n]
            least = _largest(work, n, k) - error[row]
            kept = _cut(found[row], ids[row], n, least) if least >= limit[row] else 0
        count[row] = kept


@numba.njit(
    void(*[read_only(float32, 2), read_only(float32, 2), read_only(uint32, 1), read_only(int64, 1), uint64[:, ::1]]),
    nogil=True,
    cache=True,
)
def measure(
    queries,  # (B, D)
    candidates,  # (T, D), those of one query after the other
    tickets,  # (T,), all different for a query
    count,  # (B,), of candidates of each
    keys,  # (B, at least the largest count), set for these: the bits of the distance, then the ticket, to sort by both
):
    """Compute the distances of candidates as |q - z| in float64."""
    one = np.empty(1, np.float32)
    bits = one.view(np.uint32)
    at = 0
    for row in range(len(queries)):
        for j in range(count[row]):
            one[0] = _distance(queries[row], candidates[at])
            keys[row, j] = (np.uint64(bits[0]) << np.uint64(32)) | np.uint64(tickets[at])
            at += 1
