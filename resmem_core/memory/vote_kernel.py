"""The inner loops over what neighbours vote for, compiled by Numba.

Importing this module compiles it, or loads what an earlier process compiled, as with `resmem_core.memory.dense_kernel`.
"""

from __future__ import annotations

import numpy as np
from numba import float32, float64, int64

from resmem_core.common.vector_loops import LOG2_E, exponentials, inner, kernel, read_only


@kernel(
    *[read_only(int64, 1), read_only(int64, 2), read_only(int64, 2), read_only(int64, 2), int64],
    *[int64[:, ::1], int64[:, ::1], int64[:, ::1]],
)
def choose_classes(
    labels,  # (B,)
    voted,  # (B, K), the neighbours' labels
    top,  # (B, R), the base model's largest classes, the largest first
    reach,  # (B, T), how many of them are wanted
    n_classes,
    classes,  # (B, 1 + K + R), set to the support, each class once; what is left over stays as it was
    places,  # (B, K), set to the place of each neighbour's label in it
    sizes,  # (B, T), set to how many of `classes` are wanted
):
    """List the classes of each query's support."""
    place = np.full(n_classes, -1, np.int64)
    n_queries, n_neighbors = voted.shape
    n_temperatures = reach.shape[1]
    for query in range(n_queries):
        classes[query, 0] = labels[query]
        place[labels[query]] = 0
        size = 1
        for j in range(n_neighbors):
            c = voted[query, j]
            if place[c] < 0:
                place[c] = size
                classes[query, size] = c
                size += 1
            places[query, j] = place[c]
        for t in range(n_temperatures):
            sizes[query, t] = size
        for rank in range(top.shape[1]):
            c = top[query, rank]
            if place[c] < 0:
                place[c] = size
                classes[query, size] = c
                size += 1
            for t in range(n_temperatures):
                if rank < reach[query, t]:
                    sizes[query, t] = size
        for a in range(size):
            place[classes[query, a]] = -1


@inner
def is_ahead(scores, classes, n, own):
    """Return whether the label, whose place is 0, wins: of equal scores the first class does, as in argmax."""
    ahead = 0
    for a in range(1, n):
        ahead += scores[a] > own or (scores[a] == own and classes[a] < classes[0])
    return ahead == 0


@kernel(
    *[read_only(int64, 2), read_only(int64, 2), read_only(int64, 1), read_only(float32, 2), read_only(float32, 2)],
    *[read_only(float64, 1), read_only(float32, 1), read_only(int64, 1), read_only(float64, 1)],
    *[int64[:, :, ::1], float64[:, :, ::1]],
)
def sweep_interpolations(
    classes,  # (B, A), the label, the classes voted for, the base model's largest
    places,  # (B, K)
    sizes,  # (B,)
    base,  # (B, A), p_1
    nearer,  # (B, K), the nearest distance less each distance
    log_base,  # (B,), log p_1 of the label
    inverse_sigmas,  # (S,)
    stops,  # (G,), the values of k, ascending
    shares,  # (L,), the weights of the vote
    right,  # (S, G, L), added to
    nll,  # (S, G, L), added to
):
    """Judge kNN-LM: what is neither voted for nor the base model's largest cannot win."""
    n_queries, k_max = places.shape
    weights = np.empty(k_max, np.float32)
    votes_row = np.empty(classes.shape[1], np.float32)
    scores_row = np.empty(classes.shape[1], np.float32)
    log_rest = np.log(1 - shares)
    for query in range(n_queries):
        n = sizes[query]
        votes, scores, p = votes_row[:n], scores_row[:n], base[query, :n]
        base_probability = np.exp(log_base[query])
        for s in range(len(inverse_sigmas)):
            exponentials(nearer[query], inverse_sigmas[s] * LOG2_E, weights)
            votes[:] = 0
            weight, done = np.float32(0), 0
            for g in range(len(stops)):
                for j in range(done, stops[g]):
                    votes[places[query, j]] += weights[j]
                    weight += weights[j]
                done = stops[g]
                inverse = np.float32(1) / weight
                for i in range(len(shares)):
                    share = np.float32(shares[i])
                    rest = np.float32(1) - share
                    for a in range(n):
                        scores[a] = share * (votes[a] * inverse) + rest * p[a]
                    right[s, g, i] += is_ahead(scores, classes[query], n, scores[0])
                    if votes[0] > 0:
                        likely = shares[i] * (votes[0] * inverse) + (1 - shares[i]) * base_probability
                        nll[s, g, i] -= np.log(likely)
                    else:
                        nll[s, g, i] -= log_rest[i] + log_base[query]
