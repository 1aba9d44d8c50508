"""What single processes of a gang do in tests; forked from one that has PyTorch loaded already."""

import itertools
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

PRELOADED = [
    "torch",
    "torch.distributed.fsdp",
    "torch.distributed.tensor.parallel",
    "torch.testing._internal.distributed.fake_pg",
    "qm_trainer.loop",
    "tests.unit.trainer.ranks",
]


def context() -> ForkServerContext:
    """Processes of it start in milliseconds."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made


def start(function: Callable[..., None], *args: Any) -> ForkServerProcess:
    process = context().Process(target=function, args=args)
    process.start()
    return process


def places(rank: int, answers: Any) -> None:
    """Tell which numbers `rank` of four keeps, of a model cut by FSDP and tensor parallelism."""
    import torch.distributed as dist
    from torch import nn
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor.parallel import (
        ColwiseParallel,
        RowwiseParallel,
        parallelize_module,
    )
    from torch.testing._internal.distributed.fake_pg import FakeStore

    from qm_trainer.parallel.sharding import held, is_first_copy, local

    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=4)
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("shards", "tensor"))
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6), nn.LayerNorm(6))
    parallelize_module(model, mesh["tensor"], {"0": ColwiseParallel(), "2": RowwiseParallel()})
    fully_shard(model, mesh=mesh["shards"])
    kept = []
    for name, value in model.state_dict().items():
        if not is_first_copy(value, leads=False, first=rank % 2 == 0):
            continue
        box = held(value)
        if tuple(local(value).shape) != box.shape:
            os._exit(1)
        spans = [range(a, a + n) for a, n in zip(box.offset, box.shape, strict=True)]
        kept += [(name, at) for at in itertools.product(*spans)]
    answers.put(kept)
    answers.close()
    answers.join_thread()
    os._exit(0)


ROWS = 50_000
"""Of a tensor that each writer has [count]: a save takes some milliseconds, to be killed in."""


def save_on_and_on(root: str, port: int, rank: int, size: int) -> None:
    """Go on from the newest checkpoint and save one after the other, until the end comes."""
    import time
    from datetime import UTC, datetime
    from pathlib import Path
    from threading import Event

    import torch
    import torch.distributed as dist

    from qm_trainer.data.order import Cursor
    from qm_trainer.parallel.board import Shared
    from qm_trainer.storage.checkpoint import Folder
    from qm_trainer.storage.snapshots import Snapshot, Writer
    from qm_trainer.storage.volume import Volume

    store = dist.TCPStore("127.0.0.1", port, is_master=False, wait_for_workers=False)
    board = Shared(store, rank, size, time.monotonic)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    folder = Folder(Volume(Path(root)), 2, lambda: now, time.monotonic, board)
    if rank == 0:
        board.post("newest", {"step": max(folder.complete(), default=0)})
    step = board.read("newest", 0, Event())["step"]
    while True:
        step += 1
        tensors = {"model.w": torch.full((ROWS, 4), float(step))}
        offsets = {"model.w": (ROWS * rank, 0)}
        folder.save(
            Snapshot(Cursor(step, 0, 0), tensors, size, {}, offsets, Writer(rank, size)), Event()
        )
