"""`kubectl qm`: what training jobs do, why they wait, and what they cost.

It only reads. `kubectl` itself creates, suspends and deletes.
"""
