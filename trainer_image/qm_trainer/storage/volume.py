"""The artifact volume: files that are there whole or not at all, and why one cannot be written."""

import errno
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from safetensors import SafetensorError

from qm_trainer.errors import StorageError


def claim(run_dir: Path) -> None:
    """Make the run's directory, and see that it can be written to before an hour is trained.

    Raises:
        StorageError: If it cannot.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        write_whole(run_dir / ".writable", "")
        (run_dir / ".writable").unlink()
    except OSError as error:
        raise storage_error(error, run_dir) from error


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there with all of `text`, or not at all."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text)
    sync(beside)
    beside.replace(path)
    sync(path.parent)


def iso(time: datetime) -> str:
    """Seconds of UTC as Kubernetes writes them."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def storage_error(error: OSError | SafetensorError, path: Path) -> StorageError:
    """One sentence: what is full or closed, and how much is free."""
    where = next(p for p in (path, *path.parents) if p.exists())
    usage = shutil.disk_usage(where)
    free, total = usage.free / 2**20, usage.total / 2**20
    if is_full(error):
        return StorageError(
            f"the artifact volume at {where} is full: {free:.0f} MiB of {total:.0f} MiB are free; "
            "ask for a larger volume, or lower checkpoint.keep"
        )
    return StorageError(f"the artifact volume at {where} is not writable: {error}")


def is_storage(error: OSError) -> bool:
    """Whether `error` speaks of the volume, and not of a file of the user's."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def is_full(error: OSError | SafetensorError) -> bool:
    """Whether `error` says that no space is left; safetensors says it in words only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "No space left" in str(error) or "quota" in str(error)


def sync(path: Path) -> None:
    """Return when the file, or the folder's entries, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
