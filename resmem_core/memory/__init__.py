"""The training points as memory: search, residuals, scores of one setting and of a grid, edits."""
