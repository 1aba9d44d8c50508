"""The artifact volume: files that are there whole or not at all, and why one cannot be written."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor
from typing_extensions import override

from qm_trainer.errors import StorageError
from qm_trainer.storage import shards
from qm_trainer.storage.files import Files
from qm_trainer.storage.shards import Offset, Stored


class Volume(Files):
    """Files below one folder of a mounted file system, which all processes share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @override
    def where(self, path: str) -> str:
        return str(self._root / path)

    @override
    def sizes(self) -> dict[str, int]:
        found = {}
        for path in self._root.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found[path.relative_to(self._root).as_posix()] = path.stat().st_size
        return found

    @override
    def read(self, path: str) -> str:
        return (self._root / path).read_text()

    @override
    def write(self, path: str, text: str) -> int:
        with writing(self._root):
            whole = self._path_to(path)
            write_whole(whole, text)
            return whole.stat().st_size

    @override
    def write_tensors(
        self, path: str, tensors: Mapping[str, Tensor], offsets: Mapping[str, Offset]
    ) -> int:
        with writing(self._root):
            whole = self._path_to(path)
            try:
                shards.write(tensors, offsets, whole)
                sync(whole)
            except BaseException:
                # What is half written takes the room that others may need.
                whole.unlink(missing_ok=True)
                raise
            sync(whole.parent)
            return whole.stat().st_size

    @override
    def open(self, paths: Iterable[str]) -> Stored:
        return Stored(self._root / path for path in sorted(paths))

    @override
    def remove(self, path: str) -> None:
        with writing(self._root):
            (self._root / path).unlink(missing_ok=True)

    @override
    def remove_folder(self, path: str) -> None:
        shutil.rmtree(self._root / path, ignore_errors=True)

    def _path_to(self, path: str) -> Path:
        """Where a file is to be written, with a folder for it that is on the disk."""
        whole = self._root / path
        if not whole.parent.is_dir():
            whole.parent.mkdir(parents=True, exist_ok=True)
            sync(whole.parent.parent)
        return whole


@contextlib.contextmanager
def writing(where: Path) -> Iterator[None]:
    """Say in one sentence why a folder cannot be written to.

    Raises:
        StorageError: If it cannot.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise storage_error(error, where) from error


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
            "ask for a larger volume, or lower checkpoint.keep",
            full=True,
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
