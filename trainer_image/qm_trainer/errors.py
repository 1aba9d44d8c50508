"""How a worker can end, as an exit code and one sentence that says what to change.

    TrainerError
    ├── ConfigError    64  the specification cannot work
    ├── DataError      65  data set missing or unreadable
    ├── UserError      70  user code raised before its first completed step
    ├── Crash          71  user code raised after a completed step
    ├── StorageError   74  artifact volume full or not writable, bucket refused or away
    ├── PeerLost       75  another worker went away; nothing wrong here
    ├── Interrupted    76  SIGTERM: state saved
    └── OutOfMemory    79  the kernel's OOM killer, or the GPU's allocator

The codes are the contract's; the operator restarts or fails by them. No torch here: the launcher
uses it.
"""

import errno
import json
import re
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TERMINATION_LIMIT = 4096
"""What the kubelet keeps of a termination message [byte]."""


class TrainerError(Exception):
    """An end whose reason is known: `str(error)` is one sentence for the user."""

    exit_code: int = 1

    @property
    def kind(self) -> str:
        """The contract's class name."""
        return type(self).__name__


class ConfigError(TrainerError):
    """The specification cannot work."""

    exit_code = 64


class DataError(TrainerError):
    """A data set is missing or unreadable."""

    exit_code = 65


class UserError(TrainerError):
    """The user's code or settings failed in a way that repeats."""

    exit_code = 70


class Crash(TrainerError):  # noqa: N818 - the contract's word
    """The user's code failed after it had worked: worth another try."""

    exit_code = 71


class StorageError(TrainerError):
    """What is to be kept cannot be: a volume is full or closed, a bucket refuses or is away."""

    exit_code = 74

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full
        """Whether less to keep would help."""


class PeerLost(TrainerError):  # noqa: N818 - the contract's word
    """Another worker went away."""

    exit_code = 75


class Interrupted(TrainerError):  # noqa: N818 - the contract's word
    """SIGTERM came; the state was saved if there was one."""

    exit_code = 76


class OutOfMemory(TrainerError):  # noqa: N818 - the contract's word
    """The kernel's OOM killer or an allocator said no."""

    exit_code = 79


CLASSES: tuple[type[TrainerError], ...] = (
    ConfigError,
    DataError,
    UserError,
    Crash,
    StorageError,
    PeerLost,
    Interrupted,
    OutOfMemory,
)

_BY_CODE = {error.exit_code: error for error in CLASSES}
_BY_NAME = {error.__name__: error for error in CLASSES}


def of_code(code: int, message: str) -> TrainerError | None:
    """The error that `code` stands for, or None for a script's own code."""
    found = _BY_CODE.get(code)
    return found(message) if found else None


def of_name(name: str, message: str) -> TrainerError:
    """The error that the class `name` stands for; a name that is none is a `Crash`."""
    return _BY_NAME.get(name, Crash)(message)


@dataclass(frozen=True, slots=True)
class Ending:
    """What is left for the operator to read: the class, the sentence, the last lines."""

    kind: str
    message: str
    log: str = ""

    def to_json(self, limit: int = TERMINATION_LIMIT) -> str:
        """JSON of at most `limit` [byte]; the log is cut first, then the message."""
        message, log = self.message, self.log
        while True:
            text = json.dumps({"class": self.kind, "message": message, "log": log})
            excess = len(text.encode()) - limit
            if excess <= 0 or not (message or log):
                return text
            if log:
                log = log[max(1, excess // 6) :]
            else:
                message = message[: -max(1, excess // 6)]


_PEER_MARKS = (
    "gloo/transport",
    "Connection closed by peer",
    "Connection reset by peer",
    "NCCL communicator was aborted",
    "NCCL Error 6",
    "ncclRemoteError",
    "Watchdog caught collective operation timeout",
)
"""Words that gloo and NCCL use when the other end is gone (torch 2.13)."""

_DATA_PROCESS = "DataLoader worker (pid"
"""How torch says that a process of its DataLoader is gone; from a signal handler, so anywhere."""

_DISTRIBUTED = {"DistBackendError", "DistNetworkError", "DistStoreError"}
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def classify(error: BaseException, *, stepped: bool) -> TrainerError:
    """What `error` means for the job.

    Types of torch are told by name, so that reading an ending needs no torch.

    Args:
        error: What was raised.
        stepped: Whether a training step was completed in this life.
    """
    if isinstance(error, TrainerError):
        return error
    names = {base.__name__ for base in type(error).__mro__}
    text = str(error)
    if "OutOfMemoryError" in names or isinstance(error, MemoryError) or _allocator(text):
        return OutOfMemory(f"{_first_line(text)}: lower trainer.batchSize, or ask for more memory")
    if names & _DISTRIBUTED or (isinstance(error, RuntimeError) and _speaks_of_a_peer(text)):
        return PeerLost(f"another worker went away: {_network_words(text)}")
    if text.startswith(_DATA_PROCESS):
        return Crash(data_process_ended(error))
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return StorageError(f"{error.strerror}: {error.filename or 'the artifact volume'}")
    sentence = f"{type(error).__name__}: {_first_line(text)}{_place(error)}"
    return Crash(sentence) if stepped else UserError(sentence)


def data_process_ended(error: BaseException) -> str:
    """The sentence for a process that made batches and is gone."""
    said = _first_line(str(error)) if str(error) else type(error).__name__
    return (
        f"a process that makes batches ended by itself ({said}); the kernel ends processes "
        "where memory is short"
    )


def _allocator(text: str) -> bool:
    return "DefaultCPUAllocator" in text or "CUDA out of memory" in text


def _speaks_of_a_peer(text: str) -> bool:
    return any(mark in text for mark in _PEER_MARKS)


def _network_words(text: str) -> str:
    """The first sentence of gloo, without the file it comes from and the advice behind it."""
    line = re.sub(r"^\[/[^]]*\]\s*", "", _first_line(text))
    return line.split(" This is typically", 1)[0].rstrip(". ")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:500] if text.strip() else "no message"


def own_frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    """The frames of `error` that are the user's: neither ours, nor a library's, nor Python's."""
    foreign = ("<", str(Path(__file__).parent), sysconfig.get_path("stdlib"))
    for frame in traceback.extract_tb(error.__traceback__):
        if "site-packages" not in frame.filename and not frame.filename.startswith(foreign):
            yield frame


def _place(error: BaseException) -> str:
    frames = list(own_frames(error))
    if not frames:
        return ""
    last = frames[-1]
    return f" ({last.filename}:{last.lineno}, in {last.name})"
