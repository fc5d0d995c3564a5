"""The inner loops over a query's support, compiled by Numba: see `support` for what a support is.

Importing this module compiles it, or loads what an earlier process compiled, as with `resmem_core.memory.dense_kernel`.
In a support the label comes first, then the other classes that neighbours vote for, then the base model's largest.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, float32, float64, int64

from resmem_core.common.vector_loops import (
    LOG2_E,
    add_rows,
    exponentials,
    inner,
    kernel,
    largest,
    read_only,
    set_scores,
    simplex_threshold,
    smoothed_nll,
    sum_of_squares,
    total,
)
from resmem_core.memory.vote_kernel import is_ahead

BEHIND = np.float32(-np.inf)


@kernel(read_only(float32, 2), read_only(float32, 1), float32[:, ::1])
def partition_sums(
    logits,  # (R, C)
    inverse_temperatures,  # (T,)
    out,  # (R, 1 + T): the largest logit, and for each temperature the sum of exp((logit - largest) / T)
):
    """Work out what turns single logits of a row into probabilities."""
    n_rows, n_classes = logits.shape
    row = np.empty(n_classes, np.float32)
    powers = np.empty(n_classes, np.float32)
    for i in range(n_rows):
        best = largest(logits[i].view(np.int32))
        out[i, 0] = best
        for c in range(n_classes):
            row[c] = logits[i, c] - best
        for t in range(len(inverse_temperatures)):
            exponentials(row, inverse_temperatures[t] * LOG2_E, powers)
            out[i, 1 + t] = total(powers)


@inner
def _to_probabilities(row, scale):
    best = largest(row.view(np.int32))
    for c in range(row.shape[0]):
        row[c] -= best
    exponentials(row, scale, row)
    inverse = np.float32(1) / total(row)
    for c in range(row.shape[0]):
        row[c] *= inverse


@kernel(float32[:, ::1], float32)
def set_probabilities(
    logits,  # (B, C), become p_T
    inverse_temperature,
):
    """Turn logits into probabilities."""
    for i in range(len(logits)):
        _to_probabilities(logits[i], inverse_temperature * LOG2_E)


@inner
def _add(sums, weight, row):
    for c in range(row.shape[0]):
        sums[c] += weight * row[c]


@kernel(float32[:, ::1], float32, *[read_only(int64, 1)] * 2, read_only(float32, 1), float32[:, ::1])
def add_probabilities(
    logits,  # (R, C), become p_T
    inverse_temperature,
    starts,  # (R + 1,), where the pairs of each row begin
    owner,  # (pairs,), the query that has the row as a neighbour
    weights,  # (pairs,)
    expected,  # (B, C), added to
):
    """Add to each query's sum its share of the rows that are its neighbours."""
    for i in range(len(logits)):
        _to_probabilities(logits[i], inverse_temperature * LOG2_E)
        for pair in range(starts[i], starts[i + 1]):
            _add(expected[owner[pair]], weights[pair], logits[i])


@inner
def _set_rows(logits, largest_logits, sums, scale, temperature, n, rows, norms):
    """Set rows = exp((logits - largest) / T) over the first n classes, and norms = 1 / their sums over all classes."""
    for j in range(logits.shape[0]):
        best = largest_logits[j]
        row, out = logits[j, :n], rows[j, :n]
        for a in range(n):
            out[a] = min(row[a] - best, np.float32(0))  # rounding could take it above 0
        exponentials(out, scale, out)
        norms[j] = np.float32(1) / sums[j, temperature]


@kernel(
    *[*[read_only(float32, 3)] * 2, *[read_only(float32, 2)] * 3, *[read_only(int64, 2)] * 3],
    *[read_only(float32, 2), read_only(float32, 2)],
    *[read_only(boolean, 1), read_only(float64, 1)],
    *[read_only(float32, 1), read_only(float32, 1), read_only(int64, 1), read_only(float64, 1), float64],
    *[int64[:, :, ::1], int64[:, :, ::1], int64[:, :, ::1], float64[:, :, :, ::1], float64[:, :, :, ::1]],
    float64[:, :, ::1],
)
def sweep_supports(
    logits,  # (B, K, A), of the neighbours
    sums,  # (B, K, T)
    largest_logits,  # (B, K)
    own_logits,  # (B, A), of the queries, less their largest
    own_sums,  # (B, T)
    classes,  # (B, A)
    places,  # (B, K)
    sizes,  # (B, T)
    outside,  # (B, T), the largest p_T that a class outside the support can have
    nearer,  # (B, K), the nearest distance less each distance
    base_right,  # (B,)
    log_base,  # (B,), log p_1 of the label
    inverse_temperatures,  # (T,)
    inverse_sigmas,  # (S,)
    stops,  # (G,), the values of k, ascending
    smoothings,  # (E,)
    nll_floor,  # of probabilities that are not smoothed
    right,  # (T, S, G), added to
    fixed,  # (T, S, G), added to
    undecided,  # (T, S, G), added to
    nll,  # (T, S, G, E), added to
    nll_most,  # (T, S, G, E), added to
    brier,  # (T, S, G), added to if there are smoothings
):
    """Judge every setting of the grid on a block of queries.

    A class outside the support is voted for by none, so that its score is at most its base probability: where the
    label leads with less than that, another class may still win. The threshold of the projection is that of the
    support or, if that is less than such a base probability, between the two.
    """
    n_queries, k_max, width = logits.shape
    n_temperatures, n_sigmas, n_stops = len(inverse_temperatures), len(inverse_sigmas), len(stops)
    n_smoothings = len(smoothings)

    base_row = np.empty(width, np.float32)
    rows = np.empty((k_max, width), np.float32)
    norms = np.empty(k_max, np.float32)
    weights = np.empty((n_sigmas, k_max), np.float32)
    scaled = np.empty(k_max, np.float32)
    expected_row = np.empty(width, np.float32)
    votes_row = np.empty(width, np.float32)
    scores_row = np.empty(width, np.float32)

    for query in range(n_queries):
        for s in range(n_sigmas):
            exponentials(nearer[query], inverse_sigmas[s] * LOG2_E, weights[s])
        is_fix = not base_right[query]
        for t in range(n_temperatures):
            n = sizes[query, t]
            scale = inverse_temperatures[t] * LOG2_E
            base, expected, votes, scores = base_row[:n], expected_row[:n], votes_row[:n], scores_row[:n]
            score_bits = scores.view(np.int32)
            exponentials(own_logits[query, :n], scale, base)
            inverse = np.float32(1) / own_sums[query, t]
            for a in range(n):
                base[a] *= inverse
            _set_rows(logits[query], largest_logits[query], sums[query], scale, t, n, rows, norms)
            for s in range(n_sigmas):
                w = weights[s]
                for j in range(k_max):
                    scaled[j] = w[j] * norms[j]
                expected[:] = 0
                votes[:] = 0
                weight, done = np.float32(0), 0
                for g in range(n_stops):
                    last = stops[g]
                    add_rows(expected, rows, scaled, done, last)
                    for j in range(done, last):
                        votes[places[query, j]] += w[j]
                        weight += w[j]
                    done = last
                    set_scores(scores, weight, base, expected, votes)
                    own = scores[0]
                    bound = outside[query, t] * weight
                    scores[0] = BEHIND
                    best = largest(score_bits)
                    scores[0] = own
                    if own > best or (own == best and is_ahead(scores, classes[query], n, own)):
                        right[t, s, g] += 1
                        fixed[t, s, g] += is_fix
                        undecided[t, s, g] += own <= bound
                    if n_smoothings == 0:
                        continue
                    threshold = simplex_threshold(scores, weight)
                    inverse_weight = np.float32(1) / weight
                    likely = max((own - threshold) * inverse_weight, np.float32(0))
                    least = max((own - max(threshold, bound)) * inverse_weight, np.float32(0))
                    squares = sum_of_squares(scores, threshold) * inverse_weight * inverse_weight
                    brier[t, s, g] += squares - np.float32(2) * likely + np.float32(1)
                    for e in range(n_smoothings):
                        loss = smoothed_nll(likely, log_base[query], smoothings[e], nll_floor)
                        nll[t, s, g, e] += loss
                        if least < likely:
                            loss = smoothed_nll(least, log_base[query], smoothings[e], nll_floor)
                        nll_most[t, s, g, e] += loss
