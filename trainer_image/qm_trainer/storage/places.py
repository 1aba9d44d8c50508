"""Where a run keeps what it leaves: on the artifact volume, or in a bucket with a copy beside."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

from qm_trainer.storage import s3
from qm_trainer.storage.bucket import Bucket
from qm_trainer.storage.files import Files
from qm_trainer.storage.s3 import Address, explained
from qm_trainer.storage.volume import Volume, write_whole

CHECKPOINTS = "checkpoints"


class Mirror:
    """What lies in the run's directory, copied to where it is kept.

    Args:
        run_dir: The run's directory.
        store: The bucket, and None where the directory itself is kept.
        address: Where in it.
    """

    def __init__(
        self, run_dir: Path, store: S3Store | None = None, address: Address | None = None
    ) -> None:
        self._run_dir, self._store, self._address = run_dir, store, address

    def push(self, *paths: str) -> None:
        """Keep these files of the directory, in this order, those that are there.

        Raises:
            StorageError: If the bucket does not take them.
        """
        if self._store is None or self._address is None:
            return
        bucket = Bucket(self._store, self._address, self._run_dir)
        for path in paths:
            if (self._run_dir / path).is_file():
                bucket.upload(self._run_dir / path, path)

    def pull(self, path: str) -> None:
        """Bring a text into the directory, if one was kept.

        Raises:
            StorageError: If the bucket does not give it.
        """
        if self._store is None or self._address is None:
            return
        with explained(self._address.below(path)):
            try:
                text = bytes(obstore.get(self._store, path).bytes()).decode()
            except FileNotFoundError:
                return
        write_whole(self._run_dir / path, text)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps what it leaves."""

    checkpoints: Files
    mirror: Mirror


def place(run_dir: Path, uri: str | None, environment: Mapping[str, str]) -> Place:
    """The place that `checkpoint.uri` names; without one it is the run's own directory.

    Raises:
        ConfigError: If it cannot be one.
    """
    if uri is None:
        return Place(Volume(run_dir / CHECKPOINTS), Mirror(run_dir))
    address = s3.parse(uri)
    below = address.below(CHECKPOINTS)
    return Place(
        Bucket(s3.connect(below, environment), below, run_dir),
        Mirror(run_dir, s3.connect(address, environment), address),
    )
