"""Lines that say how far something is, each with the seconds since the start."""

import sys
import time
from collections.abc import Callable
from typing import TextIO


class Progress:
    """Prints one line a step: ``[ 12.3s] etcd ready``."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        stream: TextIO = sys.stdout,
    ) -> None:
        self._clock = clock
        self._start = clock()
        self._stream = stream

    def say(self, message: str) -> None:
        """Print a line with the seconds since this object was made."""
        elapsed_s = self._clock() - self._start
        print(f"[{elapsed_s:6.1f}s] {message}", file=self._stream, flush=True)
