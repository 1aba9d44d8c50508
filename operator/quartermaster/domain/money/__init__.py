"""Money as values: who held what at which price, and when a gang ran together."""
