"""Results -> plotly figures. Pure functions; one colour a meaning, the same in every figure."""
