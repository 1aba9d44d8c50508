"""A job's money: what its pods are charged, and at which price."""
