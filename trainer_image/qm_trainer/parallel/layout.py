"""How many processes share what: copies of the model, parts of a copy, parts of a layer."""

from dataclasses import dataclass

from qm_trainer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Layout:
    """A grid of all processes; those that share a layer are next to each other.

    Neighbours are most often on one host, where links are fastest, and layers that are split talk
    twice in each block; copies talk once a step.

    Source: Narayanan et al. 2021, "Efficient large-scale language model training on GPU clusters",
    section 3.1, takeaway 1.
    """

    copies: int
    """Of the whole model, each trained on samples of its own [count]."""
    shards: int
    """Parts that a copy's weights are split into, each on samples of its own too [count]."""
    tensor: int
    """Processes that compute each sample together, with a part of each layer [count]."""

    @property
    def data(self) -> int:
        """Processes, or groups of them, with samples of their own [count]."""
        return self.copies * self.shards

    @property
    def processes(self) -> int:
        """All of them [count]."""
        return self.data * self.tensor

    @property
    def plain(self) -> bool:
        """Whether every process holds the whole model."""
        return self.shards == 1 and self.tensor == 1


def lay_out(processes: int, *, sharded: bool, shards: int | None, tensor: int) -> Layout:
    """The grid for so many processes.

    Args:
        processes: Of the gang [count].
        sharded: Whether weights are split over the processes that have samples of their own.
        shards: Parts of a copy; None: all processes share one copy [count].
        tensor: Processes that share each layer [count].

    Raises:
        ConfigError: They cannot be divided so.
    """
    if processes % tensor:
        raise ConfigError(
            f"trainer.strategy.tensorParallel is {tensor} and does not divide the {processes} "
            f"processes of the gang: {_divisors(processes)} would"
        )
    data = processes // tensor
    if not sharded:
        return Layout(data, 1, tensor)
    if data % (shards or 1):
        raise ConfigError(
            f"trainer.strategy.shards is {shards} and does not divide the {data} processes that "
            f"have samples of their own: {_divisors(data)} would"
        )
    parts = shards or data
    return Layout(data // parts, parts, tensor)


def _divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, number + 1) if number % n == 0)
