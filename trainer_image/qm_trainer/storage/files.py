"""What a checkpoint asks of the place where it is kept."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from torch import Tensor

from qm_trainer.storage.shards import Offset, Stored


class Files(Protocol):
    """Files by path, the parts of a path parted by `/`.

    Every method raises StorageError where the place is full, closed or away.
    """

    def where(self, path: str) -> str:
        """What to call a file or folder before people."""

    def sizes(self) -> Mapping[str, int]:
        """All files [byte]."""

    def read(self, path: str) -> str:
        """The text of a file."""

    def write(self, path: str, text: str) -> int:
        """Write a file so that it is there with all of `text`, or not at all; answers its size."""

    def write_tensors(
        self, path: str, tensors: Mapping[str, Tensor], offsets: Mapping[str, Offset]
    ) -> int:
        """Write parts of tensors; answers the file's size when it is safe [byte]."""

    def open(self, paths: Iterable[str]) -> Stored:
        """The tensors of some files."""

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""

    def remove_folder(self, path: str) -> None:
        """Remove all files below a path."""
