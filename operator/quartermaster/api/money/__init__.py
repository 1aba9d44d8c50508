"""Money in the statuses of jobs."""
