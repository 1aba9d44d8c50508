"""The trainer: loads, trains, checkpoints, reports; one process a GPU, or one a worker on CPUs.

It imports nothing of the operator. What the two agree on is `docs/reference/trainer-contract.md`.
This file imports no torch, so that `from qm_trainer import progress` costs a user's script nothing.
"""

CONTRACT_VERSION = "1"
"""The contract's version that this package speaks, as the operator writes it in `QM_CONTRACT`."""

__version__ = "0.1.0"
