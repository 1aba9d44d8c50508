"""What can go wrong, by who has to act.

QuartermasterError
├── SpecError      the user: the document cannot work as it stands
├── ConflictError  the user: an object of that name is there and is not ours
└── ClusterError   the world: try again later
    └── LedgerError  the ledger's store
"""


class QuartermasterError(Exception):
    """Base of everything raised on purpose."""


class SpecError(QuartermasterError):
    """The document cannot work; the message names path, fault and remedy."""


class ConflictError(QuartermasterError):
    """An object with the needed name belongs to somebody else."""


class ClusterError(QuartermasterError):
    """The API server said no, or nothing; a later pass may succeed."""


class LedgerError(ClusterError):
    """The ledger's store cannot be reached or written; nothing of the call was recorded."""
