"""Checkpoints in S3: parts are written beside, uploaded by each process, and read by range."""

import json
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import obstore
import torch
from obstore.store import S3Store
from torch import Tensor
from typing_extensions import override

from qm_trainer.storage import shards
from qm_trainer.storage.files import Files
from qm_trainer.storage.s3 import Address, explained
from qm_trainer.storage.shards import Damaged, Offset, Stored
from qm_trainer.storage.volume import writing

UPLOAD_BYTES, READ_BYTES = 16 * 2**20, 32 * 2**20
"""In one request [byte]: S3 takes 10,000 to a file, so that a part may have 160 GB."""
HEAD_BYTES = 2**16
"""Read first of a file, in the hope that its whole header is there [byte]."""
LONGEST_HEADER = 100 * 2**20
"""Of a safetensors file, by its own specification [byte]."""

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class Bucket(Files):
    """Objects below an address; each is there whole or not at all.

    Args:
        store: What reads and writes them.
        address: Where they are.
        scratch: A folder on this machine, with room for what this process writes of a checkpoint.
    """

    def __init__(self, store: S3Store, address: Address, scratch: Path) -> None:
        self._store, self._address, self._scratch = store, address, scratch

    @override
    def where(self, path: str) -> str:
        return str(self._address.below(path))

    @override
    def sizes(self) -> dict[str, int]:
        with explained(self._address):
            return {found["path"]: found["size"] for found in obstore.list(self._store).collect()}

    @override
    def read(self, path: str) -> str:
        with explained(self._address.below(path)):
            return bytes(obstore.get(self._store, path).bytes()).decode()

    @override
    def write(self, path: str, text: str) -> int:
        data = text.encode()
        with explained(self._address.below(path)):
            obstore.put(self._store, path, data)
        return len(data)

    @override
    def write_tensors(
        self, path: str, tensors: Mapping[str, Tensor], offsets: Mapping[str, Offset]
    ) -> int:
        beside = self._scratch / f".{path.replace('/', '-')}"
        try:
            with writing(self._scratch):
                self._scratch.mkdir(parents=True, exist_ok=True)
                shards.write(tensors, offsets, beside)
            return self.upload(beside, path)
        finally:
            beside.unlink(missing_ok=True)

    def upload(self, file: Path, path: str) -> int:
        """Copy a file here; answers its size [byte]."""
        with explained(self._address.below(path)):
            obstore.put(self._store, path, file, chunk_size=UPLOAD_BYTES)
        return file.stat().st_size

    @override
    def open(self, paths: Iterable[str]) -> Stored:
        return Stored(sorted(paths), self._file)

    @override
    def remove(self, path: str) -> None:
        with explained(self._address.below(path)):
            obstore.delete(self._store, path)

    @override
    def remove_folder(self, path: str) -> None:
        with explained(self._address.below(path)):
            inside = [found["path"] for found in obstore.list(self._store, path).collect()]
            obstore.delete(self._store, inside)

    def _file(self, path: str) -> "RemoteFile":
        return RemoteFile(self._store, path, self._address)


class RemoteFile:
    """A safetensors file in S3, of which the header is read at once and the rest when asked for.

    Source: the safetensors format, https://github.com/huggingface/safetensors#format.

    Raises:
        ValueError: If it is no safetensors file.
        StorageError: If the bucket does not answer.
    """

    def __init__(self, store: S3Store, path: str, address: Address) -> None:
        self._store, self._path, self._address = store, path, address
        head = self._read(0, HEAD_BYTES)
        length = int.from_bytes(head[:8], "little")
        if len(head) < 8 or length > LONGEST_HEADER:
            raise ValueError("it has no header")
        if len(head) < 8 + length:
            head = self._read(0, 8 + length)
        self._entries: dict[str, Any] = json.loads(head[8 : 8 + length])
        self._begin = 8 + length
        self._told: dict[str, str] = self._entries.pop("__metadata__", {})

    def metadata(self) -> Mapping[str, str]:
        """What its header says beside the tensors."""
        return self._told

    def keys(self) -> Iterable[str]:
        """The names of its tensors."""
        return self._entries.keys()

    def get_slice(self, name: str) -> "RemoteSlice":
        """A tensor that tells its shape, and is read by indices."""
        entry = self._entries[name]
        begin, _ = entry["data_offsets"]
        return RemoteSlice(self, _DTYPES[entry["dtype"]], entry["shape"], self._begin + begin)

    def __exit__(self, kind: Any, error: Any, trace: Any, /) -> None:
        """Nothing is open."""

    def _read(self, begin: int, end: int) -> bytes:
        with explained(self._address.below(self._path)):
            return bytes(obstore.get_range(self._store, self._path, start=begin, end=end))

    def fill(self, numbers: memoryview, begin: int) -> None:
        """Read as many bytes from `begin` on as there is room for."""
        for at in range(0, len(numbers), READ_BYTES):
            end = min(at + READ_BYTES, len(numbers))
            read = self._read(begin + at, begin + end)
            if len(read) != end - at:
                raise Damaged(f"{self._path} is cut short")
            numbers[at:end] = read


class RemoteSlice:
    """One tensor of a file in S3."""

    def __init__(self, file: RemoteFile, dtype: torch.dtype, shape: list[int], begin: int) -> None:
        self._file, self._dtype, self._shape, self._begin = file, dtype, shape, begin

    def get_shape(self) -> list[int]:
        """Its shape."""
        return self._shape

    def __getitem__(self, where: tuple[slice, ...]) -> Tensor:
        """A box of it; read are the whole rows that it lies in."""
        if not where:
            return self._rows(0, 1, ())
        rows = where[0]
        read = self._rows(rows.start, rows.stop - rows.start, tuple(self._shape[1:]))
        return read[(slice(None), *where[1:])]

    def _rows(self, first: int, count: int, shape: tuple[int, ...]) -> Tensor:
        width = prod(shape) * self._dtype.itemsize
        whole = (count, *shape) if self._shape else ()
        if not count * width:
            return torch.empty(whole, dtype=self._dtype)
        data = bytearray(count * width)
        self._file.fill(memoryview(data), self._begin + first * width)
        return torch.frombuffer(data, dtype=self._dtype).reshape(whole)
