"""Tensors in safetensors files, each file one process's parts; any box can be read back.

A file is plain safetensors. Where a part begins in its tensor stands in the file's metadata, by the
name that PyTorch's own `HuggingFaceStorageReader` looks for, so that a checkpoint can be read
without this project. A file without it holds whole tensors.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Protocol, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from qm_trainer.parallel.sharding import Box

OFFSETS, BEGIN = "DCP_SHARDING_INFO", "saved_offsets"
"""As torch.distributed.checkpoint writes them (torch 2.13, `_hf_utils`)."""

Offset = tuple[int, ...]


def write(tensors: Mapping[str, Tensor], offsets: Mapping[str, Offset], path: Path) -> None:
    """Write one file of parts.

    Args:
        tensors: Parts, by the name of the tensor that they are of.
        offsets: Where they begin in it, by name; one that is not there begins at its beginning.
        path: The file.
    """
    begin = {name: offsets.get(name, (0,) * part.dim()) for name, part in tensors.items()}
    told = json.dumps({name: {BEGIN: list(offset)} for name, offset in begin.items()})
    save_file(dict(tensors), path, metadata={"format": "pt", OFFSETS: told})


class Damaged(Exception):  # noqa: N818 - what it is
    """Files of a checkpoint that do not hold what they should."""


class TensorFile(Protocol):
    """An open safetensors file, as the library's own `safe_open` is one."""

    def metadata(self) -> Mapping[str, str] | None:
        """What its header says beside the tensors."""

    def keys(self) -> Iterable[str]:
        """The names of its tensors."""

    def get_slice(self, name: str) -> Any:
        """A tensor that tells its shape, and is read by indices."""

    def __exit__(self, kind: Any, error: Any, trace: Any, /) -> Any:
        """Close it."""


def on_disk(path: str) -> TensorFile:
    """Open a file of this machine."""
    opened: TensorFile = safe_open(path, framework="pt")
    return opened


class Stored:
    """The tensors of some files, opened to be read part by part.

    Args:
        paths: The files.
        opened: How they are opened.

    Raises:
        Damaged: If a file is no safetensors file, or not as `write` leaves it.
    """

    def __init__(
        self, paths: Iterable[str | Path], opened: Callable[[str], TensorFile] = on_disk
    ) -> None:
        self._files: list[TensorFile] = []
        self._boxes: dict[str, dict[Box, TensorFile]] = {}
        for path in paths:
            try:
                self._add(opened(str(path)))
            except (SafetensorError, ValueError, LookupError, TypeError) as error:
                raise Damaged(f"{PurePath(path).name} is damaged: {error}") from error

    def _add(self, file: TensorFile) -> None:
        self._files.append(file)
        told = json.loads((file.metadata() or {}).get(OFFSETS, "{}"))
        for name in file.keys():  # noqa: SIM118 - it is no dictionary
            shape = tuple(file.get_slice(name).get_shape())
            offset = tuple(told[name][BEGIN]) if name in told else (0,) * len(shape)
            # Of copies one is written; should there be two, they are the same.
            self._boxes.setdefault(name, {}).setdefault(Box(offset, shape), file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files:
            file.__exit__(kind, error, trace)

    @property
    def names(self) -> list[str]:
        """Of all tensors."""
        return list(self._boxes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the whole tensor."""
        ends = [
            tuple(a + n for a, n in zip(box.offset, box.shape, strict=True))
            for box in self._boxes[name]
        ]
        return tuple(map(max, zip(*ends, strict=True)))

    def whole(self, name: str) -> Tensor:
        """All of a tensor."""
        shape = self.shape(name)
        return self.read(name, Box((0,) * len(shape), shape))

    def read(self, name: str, box: Box) -> Tensor:
        """A box of a tensor, in memory of its own.

        Raises:
            Damaged: If the files hold it only in part.
        """
        missing = box.elements
        result = torch.empty(box.shape, dtype=self._dtype(name))
        for part, file in self._boxes[name].items():
            common = part.overlap(box)
            if common is not None:
                # A copy: the file's own memory ends with it.
                result[common.within(box)] = file.get_slice(name)[common.within(part)]
                missing -= common.elements
        if missing:
            raise Damaged(f"{missing} of the numbers of {name} are missing")
        return result

    def _dtype(self, name: str) -> torch.dtype:
        box, file = next(iter(self._boxes[name].items()))
        nothing: Tensor = file.get_slice(name)[(slice(0, 0),) * len(box.shape)]
        return nothing.dtype
