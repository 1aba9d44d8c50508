"""Elastic jobs on the cluster: how many workers they have, and are to have."""
