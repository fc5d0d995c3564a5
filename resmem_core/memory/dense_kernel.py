"""The sweep's inner loops, compiled by Numba: query by query, every row gathered once for the whole grid.

Importing this module compiles it, or loads what an earlier process compiled: Numba keeps that beside the module, or
in the user's cache folder where that cannot be written.

Everything is float32, as in `resmem_scores`.
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

CERTAIN = np.float32(1e-5)  # of the weights' sum: what is decided by less is computed, not concluded


@inner
def _projected(scores, weight, label):
    """Return the probability of the label and the sum of squares of scores / weight, projected onto the simplex."""
    threshold, inverse = simplex_threshold(scores, weight), np.float32(1) / weight
    own = scores[label] - threshold
    own = own if own > np.float32(0) else np.float32(0)
    return own * inverse, sum_of_squares(scores, threshold) * inverse * inverse


@kernel(
    *[read_only(float32, 2), read_only(int64, 1), read_only(boolean, 1), read_only(float64, 1)],
    *[read_only(float32, 2), read_only(int64, 2)],
    *[read_only(float32, 2), read_only(float32, 1), read_only(int64, 1)],
    *[read_only(float32, 1), read_only(float32, 1), read_only(int64, 1)],
    *[read_only(float64, 1), float64, int64[:, :, ::1], int64[:, :, ::1], float64[:, :, :, ::1]],
    float64[:, :, ::1],
)
def sweep_queries(
    query_logits,  # (B, C)
    labels,  # (B,)
    base_right,  # (B,)
    log_base,  # (B,), log p_1 of the label
    distances,  # (B, K)
    indices,  # (B, K)
    memory_logits,  # (N, C)
    memory_largest,  # (N,), the largest logit of each row
    memory_labels,  # (N,)
    inverse_temperatures,  # (T,)
    inverse_sigmas,  # (S,)
    stops,  # (G,), the values of k, ascending
    smoothings,  # (E,)
    nll_floor,  # of probabilities that are not smoothed
    right,  # (T, S, G), added to
    fixed,  # (T, S, G), added to
    nll,  # (T, S, G, E), added to
    brier,  # (T, S, G), added to if there are smoothings
):
    """Judge every setting of the grid on a block of queries.

    For one query, temperature and sigma, the sums over the neighbours grow from k to k. Whether the label wins is not
    looked up at every k, though: no later neighbour can move a lead by more than its weight allows.

    - The label leads by `lead` = W (s_y - max s_c). A neighbour of that label takes at most w (max p_c - p_y) from it,
      one of another label at most w (max p_c - p_y + 1 + P_jy), where P_j are its base probabilities: while the sum of
      these is less than the lead, the label still wins.
    - A rival class leads. Only its lead over the label is followed, exactly: while it lasts, the label loses.
    """
    n_queries, k_max = indices.shape
    n_classes, n_stops = query_logits.shape[1], len(stops)
    n_temperatures, n_sigmas = len(inverse_temperatures), len(inverse_sigmas)

    own_logits = np.empty(n_classes, np.float32)
    base = np.empty(n_classes, np.float32)  # p_T(x)
    base_bits = base.view(np.int32)
    logits = np.empty((k_max, n_classes), np.float32)
    rows = np.empty((k_max, n_classes), np.float32)  # exp(logits / T); the norm goes into the weights
    all_logits, all_rows = logits.reshape(-1), rows.reshape(-1)
    norm = np.empty(k_max, np.float32)
    voted = np.empty(k_max, np.int64)
    nearer = np.empty(k_max, np.float32)
    weights = np.empty((n_sigmas, k_max), np.float32)
    scaled = np.empty(k_max, np.float32)
    weight_sum = np.empty(k_max, np.float32)
    takes = np.empty(k_max, np.float32)
    taken_sum = np.empty(k_max, np.float32)
    expected = np.empty(n_classes, np.float32)
    votes = np.empty(n_classes, np.float32)
    scores = np.empty(n_classes, np.float32)
    score_bits = scores.view(np.int32)

    for query in range(n_queries):
        label = labels[query]
        is_fix = not base_right[query]
        best = query_logits[query, 0]
        for c in range(n_classes):
            best = max(best, query_logits[query, c])
        for c in range(n_classes):
            own_logits[c] = query_logits[query, c] - best
        for j in range(k_max):
            i = indices[query, j]
            voted[j] = memory_labels[i]
            best = memory_largest[i]
            for c in range(n_classes):
                logits[j, c] = memory_logits[i, c] - best
            nearer[j] = distances[query, 0] - distances[query, j]
        for s in range(n_sigmas):
            exponentials(nearer, inverse_sigmas[s] * LOG2_E, weights[s])

        for t in range(n_temperatures):
            scale = inverse_temperatures[t] * LOG2_E
            exponentials(own_logits, scale, base)
            inverse = np.float32(1) / total(base)
            for c in range(n_classes):
                base[c] *= inverse
            exponentials(all_logits, scale, all_rows)
            for j in range(k_max):
                norm[j] = np.float32(1) / total(rows[j])
                takes[j] = np.float32(0) if voted[j] == label else np.float32(1) + rows[j, label] * norm[j]
            own = base[label]
            base[label] = np.float32(-1)
            behind = largest(base_bits) - own  # max p_c - p_y
            base[label] = own

            for s in range(n_sigmas):
                w = weights[s]
                summed, taken = np.float32(0), np.float32(0)
                for j in range(k_max):
                    summed += w[j]
                    taken += w[j] * takes[j]
                    weight_sum[j] = summed
                    taken_sum[j] = taken
                    scaled[j] = w[j] * norm[j]
                expected[:] = 0
                votes[:] = 0
                done, g = 0, 0
                while g < n_stops:
                    last = stops[g]
                    add_rows(expected, rows, scaled, done, last)
                    for j in range(done, last):
                        votes[voted[j]] += w[j]
                    done = last
                    weight, taken = weight_sum[last - 1], taken_sum[last - 1]
                    set_scores(scores, weight, base, expected, votes)
                    own = scores[label]
                    scores[label] = -np.inf
                    best = largest(score_bits)
                    scores[label] = own
                    wins = own > best
                    if own == best:  # the first of equals wins, as in argmax
                        wins = True
                        for c in range(label):
                            wins = wins and scores[c] != own

                    if len(smoothings) > 0:
                        probability, squares = _projected(scores, weight, label)
                        for e in range(len(smoothings)):
                            nll[t, s, g, e] += smoothed_nll(probability, log_base[query], smoothings[e], nll_floor)
                        brier[t, s, g] += squares - np.float32(2) * probability + np.float32(1)
                        right[t, s, g] += wins
                        fixed[t, s, g] += wins and is_fix
                        g += 1
                    elif wins:
                        lead = own - best
                        while True:
                            right[t, s, g] += 1
                            fixed[t, s, g] += is_fix
                            g += 1
                            if g == n_stops:
                                break
                            at = stops[g] - 1
                            loss = behind * (weight_sum[at] - weight) + (taken_sum[at] - taken)
                            if lead <= loss + CERTAIN * weight_sum[at]:
                                break
                    else:
                        rival = 0
                        while rival == label or scores[rival] != best:
                            rival += 1
                        lead = best - own
                        step = base[rival] - base[label]
                        j = last
                        while True:
                            g += 1
                            if g == n_stops:
                                break
                            while j < stops[g]:
                                lead += w[j] * step + scaled[j] * (rows[j, label] - rows[j, rival])
                                if voted[j] == label:
                                    lead -= w[j]
                                elif voted[j] == rival:
                                    lead += w[j]
                                j += 1
                            if lead <= CERTAIN * weight_sum[j - 1]:
                                break
