"""Money: what a place costs and what a job has cost. Exact until it is shown."""
