"""One at a time: two terminals that change the same cluster would undo each other's work."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from devcluster.progress import Progress


@contextlib.contextmanager
def exclusive(path: Path, what: str, progress: Progress) -> Iterator[None]:
    """Hold a lock file, waiting for whoever holds it; the kernel frees it if we die.

    Args:
        path: The lock file.
        what: What is being changed, for the line that says why it waits.
        progress: Where to say so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"waiting: another command is changing the {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
