"""The processes of one run: how they meet, and what they agree on."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, TCPStore

from qm_trainer.parallel.board import STORE_TIMEOUT, Alone, Board, Shared

COLLECTIVE_TIMEOUT = timedelta(minutes=5)
"""How long a process waits for the others in one operation. A peer that dies closes its connections
and is noticed at once; this is for one whose machine vanished or that hangs. Longer than a slow
volume needs for a save, short against the hours that a silent gang would cost."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among the others."""

    rank: int
    size: int
    local_rank: int
    device: torch.device
    distributed: bool = False
    beside: int = 1
    """Processes of this run in this container, with this one [count]."""
    together: int = 1
    """Processes that compute each sample together, next to each other by rank [count]."""

    @property
    def data_rank(self) -> int:
        """Which samples are this process's: those who compute them together have one number."""
        return self.rank // self.together

    @property
    def data_size(self) -> int:
        """Processes, or groups of them, with samples of their own [count]."""
        return self.size // self.together

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0


def join(
    environment: Mapping[str, str] = os.environ, patience: timedelta = COLLECTIVE_TIMEOUT
) -> World:
    """Meet the other processes as torchrun's environment says; alone where it says nothing.

    Args:
        environment: What torchrun or our launcher has set.
        patience: How long the others may take to come.
    """
    rank, size = int(environment.get("RANK", "0")), int(environment.get("WORLD_SIZE", "1"))
    local_rank = int(environment.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if "RANK" not in environment:
        return World(0, 1, 0, device)
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        dist.init_process_group(backend, timeout=COLLECTIVE_TIMEOUT)
    else:
        dist.init_process_group(
            backend,
            store=_store(environment, rank, size, patience),
            rank=rank,
            world_size=size,
            timeout=COLLECTIVE_TIMEOUT,
        )
    beside = int(environment.get("LOCAL_WORLD_SIZE", "1"))
    return World(rank, size, local_rank, device, distributed=True, beside=beside)


def _store(environment: Mapping[str, str], rank: int, size: int, patience: timedelta) -> TCPStore:
    """Where the processes find each other; rank 0 holds it, and all wait until all have come."""
    host = "localhost" if rank == 0 else environment["MASTER_ADDR"]
    port = int(environment["MASTER_PORT"])
    store = TCPStore(host, port, size, is_master=rank == 0, timeout=patience)
    store.set_timeout(COLLECTIVE_TIMEOUT)
    return store


def board(
    world: World, clock: Callable[[], float], environment: Mapping[str, str] = os.environ
) -> Board:
    """Where the processes of `world` leave notes for each other.

    It is a connection of its own to the store that they met by.
    """
    if not world.distributed or world.size == 1:
        return Alone()
    host, port = environment["MASTER_ADDR"], int(environment["MASTER_PORT"])
    store = TCPStore(host, port, timeout=STORE_TIMEOUT, wait_for_workers=False)
    life = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    return Shared(PrefixStore(f"board/{life}", store), world.rank, world.size, clock)


def leave(world: World) -> None:
    """Close the connections to the others, so that they see an end and not a loss."""
    if world.distributed and dist.is_initialized():
        dist.destroy_process_group()


def sums(values: list[float], world: World) -> list[float]:
    """Each value summed over all processes."""
    if world.size == 1:
        return values
    total = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(total)
    return [float(value) for value in total]


def agree(value: int, world: World) -> int:
    """Rank 0's value, in every process."""
    if world.size == 1:
        return value
    shared = torch.tensor([value], dtype=torch.int64)
    dist.broadcast(shared, src=0)
    return int(shared.item())


def least(value: float, world: World) -> float:
    """The smallest of all processes' values."""
    if world.size == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    dist.all_reduce(shared, op=dist.ReduceOp.MIN)
    return float(shared.item())


def barrier(world: World) -> None:
    """Wait until every process is here."""
    if world.size > 1:
        sums([0.0], world)
