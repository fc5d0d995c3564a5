"""Loops over classes that Numba's kernels share, written so that LLVM turns them into vector instructions.

No slices, no branches, and maxima over whole numbers, as LLVM does not vectorise those of floats. All in float32.

Numba keeps what it compiled beside each module and looks only at that module for changes: whoever changes a loop here
must touch the kernels that call it.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types

FAST = {"nnan", "nsz", "arcp", "contract", "reassoc"}
LOG2_E = np.float32(1.4426950408889634)
LOWEST = np.float32(-60)  # powers of two below count as 0: beside 1 they vanish, and tiny numbers are slow


def read_only(dtype: types.Type, ndim: int) -> types.Array:
    """Return Numba's type of a contiguous array that a kernel only reads."""
    return types.Array(dtype, ndim, "C", readonly=True)


inner = numba.njit(nogil=True, fastmath=FAST, cache=True, inline="never")


def kernel(*arguments):
    """Compile a function of these arguments that returns nothing."""
    return numba.njit(types.void(*arguments), nogil=True, fastmath=FAST, cache=True)


@inner
def exponentials(x, scale, out):
    """Set out = 2 ** (scale * x), for x <= 0, to float32 precision."""
    for c in range(x.shape[0]):
        power = max(x[c] * scale, np.float32(-100))
        whole = np.floor(power + np.float32(0.5))
        rest = power - whole  # in [-0.5, 0.5], where the series of 2 ** rest = exp(rest * log(2)) is short
        series = np.float32(1.5403530e-4)
        series = series * rest + np.float32(1.3333558e-3)
        series = series * rest + np.float32(9.6181291e-3)
        series = series * rest + np.float32(5.5504109e-2)
        series = series * rest + np.float32(2.4022651e-1)
        series = series * rest + np.float32(6.9314718e-1)
        series = series * rest + np.float32(1)
        exponent = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)
        out[c] = series * exponent if power > LOWEST else np.float32(0)


@inner
def total(x):
    """Return the sum."""
    result = np.float32(0)
    for c in range(x.shape[0]):
        result += x[c]
    return result


@inner
def _order_key(bits):
    """Return a whole number that sorts as the float with these bits does, and back."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@inner
def largest(bits):
    """Return the largest of the floats whose bits are given."""
    best = np.int32(-(2**31))
    for c in range(bits.shape[0]):
        key = np.int32(bits[c] ^ ((bits[c] >> np.int32(31)) & np.int32(0x7FFFFFFF)))
        best = key if key > best else best
    return np.int32(_order_key(np.int32(best))).view(np.float32)


@inner
def add_rows(sums, rows, weights, first, last):
    """Add weights[j] * rows[j] for first <= j < last."""
    j = first
    while j + 8 <= last:  # eight at a time: `sums` is read and written once
        a, b, c, d = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        e, f, g, h = weights[j + 4], weights[j + 5], weights[j + 6], weights[j + 7]
        for i in range(sums.shape[0]):
            sums[i] += (a * rows[j, i] + b * rows[j + 1, i] + c * rows[j + 2, i] + d * rows[j + 3, i]) + (
                e * rows[j + 4, i] + f * rows[j + 5, i] + g * rows[j + 6, i] + h * rows[j + 7, i]
            )
        j += 8
    while j < last:
        a = weights[j]
        for i in range(sums.shape[0]):
            sums[i] += a * rows[j, i]
        j += 1


@inner
def set_scores(scores, weight, base, expected, votes):
    """Set scores = weight * base - expected + votes: W times s, for a sum of weights W."""
    for c in range(scores.shape[0]):
        scores[c] = (weight * base[c] - expected[c]) + votes[c]


@inner
def _sum_above(x, threshold):
    """Return the sum and the number of the entries above a threshold."""
    result, count = np.float32(0), np.float32(0)
    for c in range(x.shape[0]):
        above = x[c] > threshold
        result += x[c] if above else np.float32(0)
        count += np.float32(1) if above else np.float32(0)
    return result, count


@inner
def sum_of_squares(x, threshold):
    """Return the sum of max(x - threshold, 0) ** 2."""
    result = np.float32(0)
    for c in range(x.shape[0]):
        excess = x[c] - threshold
        excess = excess if excess > np.float32(0) else np.float32(0)
        result += excess * excess
    return result


@inner
def simplex_threshold(scores, weight):
    """Return what to take from scores that sum to `weight` so that the positive rest of them still does.

    Michelot's algorithm (JOTA 1986). As they sum to `weight`, its first threshold is 0. Given only some of the scores,
    the answer is at most that of all.
    """
    threshold, previous = np.float32(0), np.float32(np.inf)
    while True:
        above, count = _sum_above(scores, threshold)
        if count >= previous or count == np.float32(0):
            return threshold
        previous = count
        threshold = max((above - weight) / count, np.float32(0))


@inner
def smoothed_nll(own, log_base, smoothing, floor):
    """Return -log((1 - eps) q + eps p) of q and log p, in float64; where eps is 0, q is raised to `floor`."""
    probability = np.float64(own)
    if smoothing == 0:
        return -np.log(max(probability, floor))
    if probability > 0:
        return -np.log((1 - smoothing) * probability + smoothing * np.exp(log_base))
    return -(np.log(smoothing) + log_base)
