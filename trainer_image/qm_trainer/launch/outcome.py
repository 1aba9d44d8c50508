"""What each process of this worker left behind, and the one ending that follows from it."""

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from qm_trainer import errors
from qm_trainer.errors import Crash, Ending, Interrupted, OutOfMemory, TrainerError

DIRECTORY_VARIABLE = "QM_OUTCOME_DIR"
"""Where the launcher tells its processes to leave their endings."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A process that ended other than well, as the agent saw it."""

    rank: int
    exit_code: int
    """Of the process [code]; minus the signal's number where a signal ended it."""
    time: float
    """When it was seen; of no particular origin [s]."""


class Mark(StrEnum):
    """How far a process of the built-in loop has come."""

    JOINED = "joined"
    """It has met all the others."""
    READY = "ready"
    """It has state that is worth saving: SIGTERM does not just end it any more."""


def reach(folder: Path, rank: int, mark: Mark) -> None:
    """Tell the launcher that a process has come so far."""
    (folder / f"{mark.value}-{rank}").touch()


def reached(folder: Path, mark: Mark) -> bool:
    """Whether some process of this worker has come so far."""
    return any(folder.glob(f"{mark.value}-*"))


def write(folder: Path, rank: int, ending: Ending) -> None:
    """Leave the ending of one process."""
    path = folder / f"rank-{rank}.json"
    path.write_text(
        json.dumps({"class": ending.kind, "message": ending.message, "log": ending.log})
    )


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Leave the last progress report of a run that is done."""
    (folder / "report.json").write_text(json.dumps(report))


def read_report(folder: Path) -> Mapping[str, Any] | None:
    """The last progress report, if rank 0 was here and got to the end."""
    path = folder / "report.json"
    return dict(json.loads(path.read_text())) if path.exists() else None


def read(folder: Path) -> dict[int, Ending]:
    """The endings that were left, by rank."""
    endings = {}
    for path in sorted(folder.glob("rank-*.json")):
        left = json.loads(path.read_text())
        rank = int(path.stem.removeprefix("rank-"))
        endings[rank] = Ending(left["class"], left["message"], left["log"])
    return endings


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the worker ends."""

    code: int
    ending: Ending | None
    """None where all went well."""
    report: Mapping[str, Any] | None = None
    """The last progress report, of the worker that holds rank 0."""

    def to_json(self) -> str:
        """The termination message; empty where there is nothing to say."""
        if self.ending is not None:
            return self.ending.to_json()
        return json.dumps({"class": "Done", "report": self.report}) if self.report else ""


def judge(
    failures: Sequence[Failure], endings: dict[int, Ending], *, told: bool, killed_for_memory: bool
) -> Verdict:
    """One ending for the worker.

    The first failure is the cause; what follows it (processes that the agent then stopped, peers
    that lost their connection) is its effect.

    Args:
        failures: Of this worker's processes.
        endings: What they left, by rank.
        told: Whether this worker got SIGTERM.
        killed_for_memory: Whether the OOM killer has ended a process of this container meanwhile.
    """
    log = next((e.log for e in endings.values() if e.log), "")
    causes = sorted(failures, key=lambda failure: (_is_effect(failure, endings), failure.time))
    if not causes:
        if told and not endings:
            return _verdict(Interrupted("SIGTERM before training had begun: nothing to save"), log)
        causes = [Failure(rank, _code(ending), 0.0) for rank, ending in endings.items()]
    if not causes:
        return Verdict(0, None)
    first = causes[0]
    if first.rank in endings:
        ending = endings[first.rank]
        return _verdict(errors.of_name(ending.kind, ending.message), ending.log or log)
    if told:
        return _verdict(Interrupted("SIGTERM: the processes were ended"), log)
    return _unexplained(first, killed_for_memory, log)


def _is_effect(failure: Failure, endings: dict[int, Ending]) -> bool:
    """Whether a process only followed another: it lost a peer, or the agent ended it."""
    ending = endings.get(failure.rank)
    if ending is not None:
        return ending.kind == "PeerLost"
    return failure.exit_code in (-signal.SIGTERM, 75)


def _unexplained(failure: Failure, killed_for_memory: bool, log: str) -> Verdict:  # noqa: FBT001
    """A process that left nothing: a script's own code, or a signal."""
    code = failure.exit_code
    if code == -signal.SIGKILL and killed_for_memory:
        sentence = (
            "the kernel ended a process for memory: ask for more memory, or lower trainer.batchSize"
        )
        return _verdict(OutOfMemory(sentence), log)
    if code < 0:
        name = signal.Signals(-code).name
        return _verdict(Crash(f"rank {failure.rank} was ended by {name}"), log)
    known = errors.of_code(code, f"rank {failure.rank} ended with exit code {code}")
    if known is not None:
        return _verdict(known, log)
    return Verdict(code, Ending("Crash", f"rank {failure.rank} ended with exit code {code}", log))


def _code(ending: Ending) -> int:
    return errors.of_name(ending.kind, "").exit_code


def _verdict(error: TrainerError, log: str) -> Verdict:
    return Verdict(error.exit_code, Ending(error.kind, str(error), log))
