"""What a job could have: so many workers on so many nodes of one pool; and what room that takes.

Inside a node, sizes are powers of two; beyond, whole nodes (Sia, Jayaram Subramanya et al., SOSP
2023, section 3.3). Sizes that divide each other pack without waste, so whether a set of them has a
place is a matter of counting, exactly: for each size s, the workers of configurations of at least s
may not exceed the nodes' room rounded down to multiples of s, summed. Each count is a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from quartermaster.decide.elastic.throughput import Vector


@dataclass(frozen=True, order=True)
class Configuration:
    """A number of workers in a pool; one worker has one GPU."""

    pool: str
    workers: int
    nodes: int
    """On how many nodes they lie, when they lie as narrowly as they can."""
    scattered: bool = False
    """Whether they may lie anywhere in the pool: a rigid job whose size divides nothing."""


@dataclass(frozen=True)
class PoolRoom:
    """Nodes of one kind, with what elastic and rigid jobs of this round may use of them."""

    pool: str
    accelerator: str
    nodes: tuple[tuple[str, int], ...]
    """Names and GPUs [count]: all that are not taken by anybody outside the round."""
    node_size: int
    """GPUs of a whole node of the pool [count]."""
    usd_per_gpu_hour: float = 0.0
    """Price of one GPU with its share of the node [USD/h]."""

    @cached_property
    def gpus(self) -> int:
        """All of them [count]."""
        return sum(gpus for _, gpus in self.nodes)

    @cached_property
    def whole_nodes(self) -> int:
        """Nodes of which nothing is taken [count]."""
        return sum(1 for _, gpus in self.nodes if gpus == self.node_size)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Powers of two that some node holds, ascending."""
        largest = max((gpus for _, gpus in self.nodes), default=0)
        return tuple(1 << i for i in range(largest.bit_length()))

    @cached_property
    def rows(self) -> Vector:
        """Capacities: all GPUs; for each size from 2 its multiples; whole nodes."""
        levels = [
            sum(gpus // size * size for _, gpus in self.nodes) for size in self.sizes if size > 1
        ]
        return np.array([self.gpus, *levels, self.whole_nodes], dtype=np.float64)

    def usage(self, configuration: Configuration) -> Vector:
        """What a configuration takes of each row."""
        use = np.zeros_like(self.rows)
        use[0] = configuration.workers
        if configuration.scattered:
            return use
        whole = self.takes_whole_nodes(configuration)
        for row, size in enumerate((size for size in self.sizes if size > 1), start=1):
            if whole:
                use[row] = configuration.nodes * (self.node_size // size * size)
            elif configuration.workers >= size:
                use[row] = configuration.workers
        use[-1] = configuration.nodes if whole else 0
        return use

    def without(self, taken: Mapping[str, int]) -> "PoolRoom":
        """The room that is left when GPUs [count] of some nodes are taken, by node name."""
        nodes = tuple((name, gpus - taken.get(name, 0)) for name, gpus in self.nodes)
        return replace(self, nodes=nodes)

    def takes_whole_nodes(self, configuration: Configuration) -> bool:
        """Whether the configuration is made of whole nodes."""
        return (
            not configuration.scattered
            and configuration.workers == configuration.nodes * self.node_size
        )

    def elastic(self, least: int, most: int) -> list[Configuration]:
        """Every size between two numbers of workers that the pool could ever hold."""
        inside = {
            size: Configuration(self.pool, size, 1) for size in self.sizes if size < self.node_size
        }
        beyond = {
            count * self.node_size: Configuration(self.pool, count * self.node_size, count)
            for count in range(1, self.whole_nodes + 1)
        }
        every = inside | beyond
        return [every[size] for size in sorted(every) if least <= size <= most]

    def rigid(self, workers: int) -> list[Configuration]:
        """The one configuration of a fixed number of workers; none where the pool is too small."""
        if workers > self.gpus:
            return []
        nodes = -(-workers // max(1, self.node_size))
        return [Configuration(self.pool, workers, nodes, scattered=True)]


@dataclass(frozen=True)
class Capacity:
    """All pools of a round."""

    pools: tuple[PoolRoom, ...]

    @cached_property
    def by_name(self) -> dict[str, PoolRoom]:
        """Pools by their names."""
        return {room.pool: room for room in self.pools}

    @cached_property
    def rows(self) -> Vector:
        """The rows of all pools, one after the other."""
        return np.concatenate([room.rows for room in self.pools]) if self.pools else np.zeros(0)

    def usage(self, configurations: Sequence[Configuration]) -> Vector:
        """What each configuration takes of each row: an array (rows, configurations)."""
        offsets = np.cumsum([0, *(len(room.rows) for room in self.pools)])
        starts = {room.pool: int(start) for room, start in zip(self.pools, offsets, strict=False)}
        table = np.zeros((len(self.rows), len(configurations)))
        for column, configuration in enumerate(configurations):
            room = self.by_name[configuration.pool]
            start = starts[room.pool]
            table[start : start + len(room.rows), column] = room.usage(configuration)
        return table
