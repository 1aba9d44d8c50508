"""A cluster that exists in numbers only: measured jobs, rounds of a scheduler, what comes of it."""
