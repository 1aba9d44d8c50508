"""What a step takes where (step), what bounds it (classify), from what was measured (fit)."""
