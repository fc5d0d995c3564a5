"""Speed and memory as ratios, each measured in one run against what a user would do otherwise.

Run one as `python -m benchmarks.sweep`; each prints a table and writes it as JSON. `benchmarks.reference` is about what
is right, not about speed: figures, beside those of a second implementation.
"""
