"""Quotas over a tree of queues: what each is sure of, what it may borrow, what it holds.

The arithmetic is that of hierarchical cohorts: a queue lends its idle quota to its parent, as far
as its lending limit allows, and borrows from the parent what others have not used. Quota that is
not lent stays at home. (The rules follow Kueue's hierarchical cohorts, KEP-79.)
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from quartermaster.domain.queue import UNLABELLED, Holding, Queue

ENDLESS = 2**31
"""What an unlimited queue may hold [count]."""
FOREIGN = ""
"""The queue of jobs that another system queues; no ComputeQueue can have this name."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The queues by name; one that cannot be used stands alone and says why."""

    queues: Mapping[str, Queue]
    children: Mapping[str, tuple[str, ...]]
    quotas: Mapping[tuple[str, str], int]
    """GPUs that a queue has for itself and to lend, by queue and model [count]."""
    models: tuple[str, ...]
    """GPU models of which there are quotas."""

    def quota(self, queue: str, model: str) -> int:
        """Its own nominal quota, and what the queues below it lend to it [count]."""
        return self.quotas.get((queue, model), 0)

    def nominal(self, queue: str, model: str) -> int:
        """The nominal quotas of a queue and of those below it, lent out or not [count]."""
        below = sum(self.nominal(child, model) for child in self.children[queue])
        return self.queues[queue].nominal.get(model, 0) + below

    def at_home(self, queue: str, model: str) -> int:
        """The part of the quota that is not lent [count]."""
        limit = self.queues[queue].lending_limit
        return 0 if limit is None else max(0, self.quota(queue, model) - limit)

    def path(self, queue: str) -> tuple[str, ...]:
        """The queue and those above it, the root first."""
        names = [queue]
        while (parent := self.queues[names[-1]].parent) is not None:
            names.append(parent)
        return tuple(reversed(names))

    def parting(self, one: str, other: str) -> tuple[str, str] | None:
        """Where the ways to two queues part: the two siblings; None where they do not part."""
        for left, right in zip(self.path(one), self.path(other), strict=False):
            if left != right:
                same = self.queues[left].parent
                return (left, right) if same == self.queues[right].parent and same else None
        return None


def tree_of(queues: Iterable[Queue]) -> Tree:
    """The tree of these queues, with the unlimited one for jobs that name none."""
    told = {queue.name: queue for queue in queues}
    told.setdefault(UNLABELLED, Queue(UNLABELLED, unlimited=True))
    told[FOREIGN] = Queue(FOREIGN, unlimited=True)
    sound = {name: _judged(name, told) for name in sorted(told)}
    children: dict[str, list[str]] = {name: [] for name in sound}
    for name, queue in sound.items():
        if queue.parent is not None:
            children[queue.parent].append(name)
    models = tuple(sorted({model for queue in sound.values() for model in queue.nominal}))
    tree = Tree(sound, {name: tuple(below) for name, below in children.items()}, {}, models)
    quotas: dict[tuple[str, str], int] = {}
    for root in (name for name, queue in sound.items() if queue.parent is None):
        _add_up(replace(tree, quotas=quotas), root, quotas)
    return replace(tree, quotas=quotas)


def _judged(name: str, told: Mapping[str, Queue]) -> Queue:
    queue, seen = told[name], {name}
    above = queue
    while not above.fault and above.parent is not None:
        if above.parent not in told:
            return _alone(queue, f"parent {above.parent} of ComputeQueue {above.name} is not there")
        if above.parent in seen:
            return _alone(queue, f"ComputeQueue {above.parent} is above itself")
        above = told[above.parent]
        seen.add(above.name)
    if above is not queue and above.fault:
        return _alone(queue, f"ComputeQueue {above.name} above it cannot be used: {above.fault}")
    return _alone(queue, queue.fault) if queue.fault else queue


def _alone(queue: Queue, fault: str) -> Queue:
    return replace(queue, parent=None, fault=fault)


def _add_up(tree: Tree, name: str, quotas: dict[tuple[str, str], int]) -> None:
    for child in tree.children[name]:
        _add_up(tree, child, quotas)
    for model in tree.models:
        lent = sum(
            tree.quota(child, model) - tree.at_home(child, model) for child in tree.children[name]
        )
        quotas[name, model] = tree.queues[name].nominal.get(model, 0) + lent


@dataclass(slots=True)
class Ledger:
    """Who holds how many GPUs. A trial works on a copy."""

    tree: Tree
    _used: dict[tuple[str, str], int] = field(default_factory=dict)
    """What is held of the quota of a queue: its own, and what children have taken from it."""
    _held: dict[tuple[str, str], int] = field(default_factory=dict)
    """What the jobs of a queue and of those below it hold."""

    def copy(self) -> Self:
        """A ledger that goes its own way."""
        return replace(self, _used=dict(self._used), _held=dict(self._held))

    def charge(self, queue: str, model: str, gpus: int) -> None:
        """Note that a job of the queue holds GPUs, or with a negative number that it gave back."""
        for name in self.tree.path(queue):
            self._held[name, model] = self._held.get((name, model), 0) + gpus
        above: str | None = queue
        while above is not None and gpus:
            before = self._used.get((above, model), 0)
            home = self.tree.at_home(above, model)
            self._used[above, model] = before + gpus
            gpus = max(0, before + gpus - home) - max(0, before - home)
            above = self.tree.queues[above].parent

    def held(self, queue: str, model: str) -> int:
        """GPUs that jobs of the queue and of those below it hold [count]."""
        return self._held.get((queue, model), 0)

    def holds(self, queue: str) -> Iterator[tuple[str, int]]:
        """What a queue and those below it hold, by model, in the order of the models."""
        for (name, model), gpus in sorted(self._held.items()):
            if name == queue and gpus:
                yield model, gpus

    def borrowed(self, queue: str, model: str) -> int:
        """GPUs that the queue has from its parent beyond its quota [count]."""
        return max(0, self._used.get((queue, model), 0) - self.tree.quota(queue, model))

    def affords(self, queue: str, needs: Mapping[str, int]) -> bool:
        """Whether it may hold so many more GPUs of each of these models [count]."""
        return all(self.available(queue, model) >= count for model, count in needs.items())

    def within(self, queue: str, model: str, gpus: int) -> bool:
        """Whether so many more stay within the quota that the queue is sure of."""
        return self._used.get((queue, model), 0) + gpus <= self.tree.quota(queue, model)

    def available(self, queue: str, model: str) -> int:
        """GPUs that the queue may still take [count]; negative where it holds too many."""
        told = self.tree.queues[queue]
        if told.unlimited:
            return ENDLESS
        used, quota = self._used.get((queue, model), 0), self.tree.quota(queue, model)
        if told.parent is None:
            return quota - used
        home = self.tree.at_home(queue, model)
        from_parent = self.available(told.parent, model)
        if told.borrowing_limit is not None:
            lent_and_idle = quota - home - max(0, used - home)
            from_parent = min(from_parent, lent_and_idle + told.borrowing_limit)
        return max(0, home - used) + from_parent


def ledger_of(tree: Tree, holdings: Iterable[Holding]) -> Ledger:
    """Who holds what now, what is on its way out counted too."""
    ledger = Ledger(tree)
    for holding in holdings:
        if holding.queue is not None and holding.queue in tree.queues:
            for model, gpus in holding.gpus_by_model().items():
                ledger.charge(holding.queue, model, gpus)
    return ledger
