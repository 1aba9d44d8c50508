"""What can go wrong, by the exit code that the user's script sees.

CommandError
├── NotFoundError     1: no such object, or nothing to show of it
├── UsageError        2: the command line cannot work as it stands
└── ClusterRefusal    3: the cluster cannot answer
    ├── UnreachableError   not there, or not in time
    ├── DeniedError        who asks may not
    └── NotInstalledError  the custom resources are missing
"""

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes, part of the documented interface."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    FAULT = 70
    """A fault of the plugin itself, as sysexits.h numbers it."""
    INTERRUPTED = 130
    """128 + SIGINT, as shells report it."""
    BROKEN_PIPE = 141
    """128 + SIGPIPE, as shells report it."""


class CommandError(Exception):
    """Base of everything shown to the user as one line."""

    exit_code: ClassVar[Exit] = Exit.FAILED


class NotFoundError(CommandError):
    """The object is not there, or has nothing to show."""


class UsageError(CommandError):
    """The command line cannot work as it stands."""

    exit_code = Exit.USAGE


class ClusterRefusal(CommandError):  # noqa: N818 - a family of errors, not one error
    """The cluster cannot answer."""

    exit_code = Exit.UNREACHABLE


class UnreachableError(ClusterRefusal):
    """The cluster is not there, or does not answer in time."""


class DeniedError(ClusterRefusal):
    """Who asks may not."""


class NotInstalledError(ClusterRefusal):
    """The custom resources are missing."""
