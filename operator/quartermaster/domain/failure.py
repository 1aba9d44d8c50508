"""Why a worker ended, by its exit code: the operator's half of the contract with the trainer."""

from enum import StrEnum


class FailureClass(StrEnum):
    """Who or what is at fault; becomes the condition's reason."""

    CONFIG = "ConfigError"
    DATA = "DataError"
    USER = "UserError"
    CRASH = "Crash"
    STORAGE = "StorageError"
    PEER_LOST = "PeerLost"
    INTERRUPTED = "Interrupted"
    OUT_OF_MEMORY = "OutOfMemory"


EXIT_CODES = {
    64: FailureClass.CONFIG,
    65: FailureClass.DATA,
    70: FailureClass.USER,
    71: FailureClass.CRASH,
    74: FailureClass.STORAGE,
    75: FailureClass.PEER_LOST,
    76: FailureClass.INTERRUPTED,
    79: FailureClass.OUT_OF_MEMORY,
}

HOPELESS = (64, 65, 70, 74, 79)
"""Codes after which trying again gives the same end."""
BLAMELESS = (75, 76)
"""Codes that say nothing against the worker: it is started again without being counted."""
