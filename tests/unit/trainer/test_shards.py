"""Tensors in parts: whatever they were cut into, any box of them comes back."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.testing._internal.distributed.fake_pg import FakeStore

from qm_trainer.parallel.sharding import Box, held, is_first_copy
from qm_trainer.storage import shards
from qm_trainer.storage.shards import Damaged, Stored
from tests.unit.trainer import ranks

pytestmark = pytest.mark.torch

shapes = st.lists(st.integers(1, 7), max_size=3).map(tuple)
AS_OFTEN = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)


def numbers(shape: tuple[int, ...]) -> Tensor:
    return torch.arange(max(1, torch.Size(shape).numel()), dtype=torch.float32).reshape(shape)


@st.composite
def boxes(draw: Any, shape: tuple[int, ...]) -> Box:
    offset = [draw(st.integers(0, size - 1)) for size in shape]
    sizes = [draw(st.integers(1, n - a)) for n, a in zip(shape, offset, strict=True)]
    return Box(tuple(offset), tuple(sizes))


@st.composite
def cuts(draw: Any, shape: tuple[int, ...]) -> list[Box]:
    """A grid of boxes that fills a shape."""
    edges = [sorted({0, n, *draw(st.lists(st.integers(0, n), max_size=2))}) for n in shape]
    spans = [list(itertools.pairwise(edge)) for edge in edges]
    return [
        Box(tuple(a for a, _ in cell), tuple(b - a for a, b in cell))
        for cell in itertools.product(*spans)
    ]


def of(whole: Tensor, box: Box) -> Tensor:
    return whole[box.within(Box((0,) * whole.dim(), tuple(whole.shape)))].contiguous()


def put(root: Path, parts: list[tuple[Box, Tensor]], files: list[int]) -> list[Path]:
    """Write parts of a tensor `w` to the files of these numbers; answers the files."""
    paths = []
    for file in sorted(set(files)):
        mine = [part for part, number in zip(parts, files, strict=True) if number == file]
        # One file holds one part of a tensor, so further parts go to files of their own.
        for index, (box, values) in enumerate(mine):
            paths.append(root / f"{file}-{index}.safetensors")
            shards.write({"w": values}, {"w": box.offset}, paths[-1])
    return paths


@AS_OFTEN
@given(data=st.data(), shape=shapes)
def test_any_box_of_any_parts_is_what_it_was(
    tmp_path: Path, data: st.DataObject, shape: tuple[int, ...]
) -> None:
    whole, cells = numbers(shape), data.draw(cuts(shape))
    files = [data.draw(st.integers(0, 3)) for _ in cells]
    asked = data.draw(boxes(shape))
    with Stored(put(tmp_path, [(cell, of(whole, cell)) for cell in cells], files)) as stored:
        assert stored.names == ["w"]
        assert stored.shape("w") == shape
        assert torch.equal(stored.whole("w"), whole)
        assert torch.equal(stored.read("w", asked), of(whole, asked))


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@AS_OFTEN
@given(data=st.data(), shape=shapes.filter(lambda shape: torch.Size(shape).numel() > 1))
def test_pytorch_reads_the_parts_without_us(
    tmp_path: Path, data: st.DataObject, shape: tuple[int, ...]
) -> None:
    whole, cells = numbers(shape), data.draw(cuts(shape))
    for old in tmp_path.glob("*.safetensors"):
        old.unlink()
    put(tmp_path, [(cell, of(whole, cell)) for cell in cells], [0] * len(cells))
    wanted = {"w": torch.zeros(shape)}
    dcp.load(wanted, storage_reader=HuggingFaceStorageReader(str(tmp_path)), no_dist=True)
    assert torch.equal(wanted["w"], whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.int64, torch.bool])
def test_numbers_of_every_kind_come_back(tmp_path: Path, dtype: torch.dtype) -> None:
    whole = torch.tensor([[0, 1], [1, 0], [1, 1]]).to(dtype)
    halves = [(Box((0, 0), (1, 2)), whole[:1]), (Box((1, 0), (2, 2)), whole[1:])]
    with Stored(put(tmp_path, halves, [0, 1])) as stored:
        assert torch.equal(stored.whole("w"), whole)
        assert stored.whole("w").dtype == dtype
        nothing = stored.read("w", Box((3, 0), (0, 2)))
        assert (nothing.shape, nothing.dtype) == ((0, 2), dtype)


def test_a_file_without_offsets_holds_whole_tensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": numbers((3, 2)), "s": torch.tensor(4.0)}, tmp_path / "state.safetensors")
    with Stored([tmp_path / "state.safetensors"]) as stored:
        assert torch.equal(stored.read("w", Box((1, 0), (2, 1))), numbers((3, 2))[1:, :1])
        assert stored.whole("s") == 4.0


def test_what_is_read_outlives_its_file(tmp_path: Path) -> None:
    shards.write({"w": numbers((1000, 1000))}, {}, tmp_path / "f.safetensors")
    with Stored([tmp_path / "f.safetensors"]) as stored:
        read = stored.whole("w")
    with (tmp_path / "f.safetensors").open("r+b") as file:
        file.truncate(0)
    assert torch.equal(read, numbers((1000, 1000)))


def test_a_part_that_is_missing_is_told(tmp_path: Path) -> None:
    parts = [(Box((0,), (2,)), torch.ones(2)), (Box((5,), (3,)), torch.ones(3))]
    with (
        Stored(put(tmp_path, parts, [0, 1])) as stored,
        pytest.raises(Damaged, match="3 of the numbers of w are missing"),
    ):
        stored.whole("w")


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"rubbish", b"\xff" * 64, (2).to_bytes(8, "little") + b"{}", b"\0" * 64],
    ids=["empty", "short", "ones", "no tensors but fine", "zeros"],
)
def test_a_file_of_something_else_is_named_or_empty(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "state-00001-of-00002.safetensors"
    path.write_bytes(rubbish)
    if rubbish.endswith(b"{}"):
        with Stored([path]) as stored:
            assert stored.names == []
        return
    with pytest.raises(Damaged, match=r"^state-00001-of-00002.safetensors is damaged: "):
        Stored([path])


@pytest.fixture
def each_rank() -> Iterator[Any]:
    """Be one rank of `size` after the other; nothing is sent."""

    def each(size: int) -> Iterator[int]:
        for rank in range(size):
            dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=size)
            try:
                yield rank
            finally:
                dist.destroy_process_group()

    yield each
    assert not dist.is_initialized()


MESHES = [
    pytest.param((4,), [Shard(0)], id="FSDP"),
    pytest.param((2, 2), [Replicate(), Shard(0)], id="HSDP"),
    pytest.param((2, 2), [Shard(0), Shard(1)], id="FSDP x TP by columns"),
    pytest.param((2, 3), [Shard(1), Replicate()], id="replicas behind"),
    pytest.param((2, 2), [Replicate(), Replicate()], id="replicas only"),
]


@pytest.mark.parametrize("shape", [(5, 3), (1, 4), (8, 8)])
@pytest.mark.parametrize(("mesh", "placements"), MESHES)
def test_every_number_is_kept_once_whatever_the_mesh(
    tmp_path: Path, each_rank: Any, mesh: tuple[int, ...], placements: Any, shape: tuple[int, int]
) -> None:
    whole, parts = numbers(shape), []
    for _ in each_rank(torch.Size(mesh).numel()):
        over = init_device_mesh("cpu", mesh)
        box = held(_of_shape(shape, over, placements))
        tensor = DTensor.from_local(
            of(whole, box), over, placements, shape=whole.shape, stride=whole.stride()
        )
        if box.elements and is_first_copy(tensor, leads=False, first=True):
            parts.append((held(tensor), tensor.to_local().clone()))
    assert sum(box.elements for box, _ in parts) == whole.numel()
    with Stored(put(tmp_path, parts, [0] * len(parts))) as stored:
        assert torch.equal(stored.whole("w"), whole)


def test_every_number_is_kept_once_where_a_dimension_is_cut_twice() -> None:
    """FSDP cuts what tensor parallelism has cut: rows of a column-wise layer."""
    answers = ranks.context().Queue()
    processes = [ranks.start(ranks.places, rank, answers) for rank in range(4)]
    told = [answers.get(timeout=120) for _ in range(4)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    kept = Counter(place for places in told for place in places)
    assert set(kept.values()) == {1}
    assert Counter(name for name, _ in kept) == {
        "0.weight": 48,
        "0.bias": 8,
        "2.weight": 48,
        "2.bias": 6,
        "3.weight": 6,
        "3.bias": 6,
    }


def _of_shape(shape: tuple[int, ...], mesh: Any, placements: Any) -> DTensor:
    """A tensor of which only the layout is asked."""
    whole = torch.empty(shape)
    return DTensor.from_local(
        whole, mesh, placements, run_check=False, shape=whole.shape, stride=whole.stride()
    )
