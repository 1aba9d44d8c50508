"""Spot capacity: what was seen of it, who runs on it, who goes over to on-demand in time."""
