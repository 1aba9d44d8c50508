"""Who goes next: by priority within a queue, by the lowest share across queues."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from quartermaster.decide.queue.share import Measure, Past
from quartermaster.decide.queue.tree import FOREIGN, Ledger
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import UNKNOWN_MODEL, Holding
from quartermaster.domain.workload import Gang


def in_order(gangs: Iterable[Gang]) -> list[Gang]:
    """Higher priority first, then the older, then by name."""
    return sorted(gangs, key=lambda gang: (-gang.priority, gang.created, gang.key))


def queue_of(gang: Gang) -> str:
    """The queue that a gang is counted in."""
    return FOREIGN if gang.queue is None else gang.queue


def by_share(gangs: Iterable[Gang], ledger: Ledger, measure: Measure, past: Past) -> Iterator[Gang]:
    """The gangs one after the other; what is charged to the ledger meanwhile moves the rest.

    What a queue is sure of comes before what has to be borrowed. Then, of the queues of one parent,
    the one with the lowest share goes first, from the root down; between equal shares the gang with
    the higher priority, the older one, the one first by name.
    """
    lines: dict[str, list[Gang]] = {}
    for gang in reversed(in_order(gangs)):
        lines.setdefault(queue_of(gang), []).append(gang)

    def rank(queue: str) -> tuple[object, ...]:
        head = lines[queue][-1]
        shares = _shares(queue, ledger, measure, past)
        return (not _is_sure(head, ledger, measure), shares, -head.priority, head.created, head.key)

    while lines:
        queue = min(lines, key=rank) if len(lines) > 1 else next(iter(lines))
        yield lines[queue].pop()
        if not lines[queue]:
            del lines[queue]


def _is_sure(gang: Gang, ledger: Ledger, measure: Measure) -> bool:
    """Whether there is a model of which the gang's queue would not have to borrow for it."""
    queue, need = queue_of(gang), gang.size * gang.per_worker.devices
    return queue in ledger.tree.queues and any(
        ledger.within(queue, model, need) for model in measure.usable(gang.accelerators)
    )


def _shares(
    queue: str, ledger: Ledger, measure: Measure, past: Mapping[str, Fraction]
) -> tuple[Fraction, ...]:
    path = ledger.tree.path(queue) if queue in ledger.tree.queues else ()
    return tuple(measure.share(ledger, name, past.get(name, Fraction(0))) for name in path)


def in_key_order(holdings: Iterable[Holding]) -> list[Holding]:
    """By namespace and name."""
    return sorted(holdings, key=lambda holding: holding.key)


def gpus_of(gang: Gang, placed: Placed) -> dict[str, int]:
    """GPUs of a gang by model [count]."""
    each = gang.per_worker.devices
    models = Counter(one.accelerator or UNKNOWN_MODEL for one in placed.assignments)
    return {model: count * each for model, count in sorted(models.items())} if each else {}


def shape_of(gang: Gang) -> tuple[object, ...]:
    """What a refusal depends on: within a round, room and quota only become less."""
    return (
        gang.size,
        gang.per_worker,
        gang.held,
        gang.capacity,
        gang.accelerators,
        gang.pools,
        gang.topology,
        gang.topology_level,
        gang.queue,
        gang.priority,
        gang.runtime_s,
        gang.least,
    )
