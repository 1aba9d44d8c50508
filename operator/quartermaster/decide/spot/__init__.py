"""Spot with deadlines: what to run on now, how often to save, who is about to be taken back."""
