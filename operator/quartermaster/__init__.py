"""Quartermaster: one operator that places AI compute, counts its money and says why."""

__version__ = "0.1.0"
