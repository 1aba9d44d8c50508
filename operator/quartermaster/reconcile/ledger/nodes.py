"""The accounts of nodes, kept up while the operator runs and made up for after it did not."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby

from quartermaster.decide.cost.ledger import nodes
from quartermaster.domain.money.ledger import Entry
from quartermaster.domain.money.occupancy import Hold, Presence
from quartermaster.reconcile.ports import Clock, Ledger, Occupancy

CURSOR = "nodes"
PERIOD = timedelta(hours=1)
"""Entries are made for whole periods, from one full hour in UTC to another."""
LAG = timedelta(minutes=5)
"""A period is looked at so long after its end: by then it is known who has left before it."""


@dataclass
class NodeAccounts:
    """Watches who is on which node, and records whole hours when they are over.

    What jobs and services hold is known from the cluster while they run and from the ledger when
    they are gone: ids of their entries begin with the pod's uid and a slash. Of other pods that
    ended while no operator looked nothing is known: that time is idle, and its entries say so.
    """

    occupancy: Occupancy
    ledger: Ledger
    clock: Clock
    _since: datetime | None = None
    """When this operator began to look."""
    _nodes: dict[str, Presence] = field(default_factory=dict)
    """By uid; those that went since the last period too."""
    _pods: dict[str, Hold] = field(default_factory=dict)

    async def keep(self) -> None:
        """Look, and record what is over; once in a while is enough, and after errors again.

        Raises:
            LedgerError: The store cannot be reached; nothing is lost by trying again.
        """
        now = self.clock.now()
        self._look(now)
        until = _hour(now - LAG)
        since = await self.ledger.cursor(CURSOR)
        if since is None:
            await self.ledger.record([], {CURSOR: until})
        elif since < until:
            await self.ledger.record(await self._entries(since, until), {CURSOR: until})
            self._forget(until)

    def _look(self, now: datetime) -> None:
        self._since = self._since or now
        there = {presence.uid: presence for presence in self.occupancy.nodes()}
        gone = (uid for uid, it in self._nodes.items() if uid not in there and it.ended is None)
        self._nodes |= {uid: replace(self._nodes[uid], ended=now) for uid in gone}
        self._nodes |= {uid: _repriced(self._nodes.get(uid), it) for uid, it in there.items()}
        pods = dict(self.occupancy.pods())
        left = (uid for uid, it in self._pods.items() if uid not in pods and it.ended is None)
        self._pods |= {uid: replace(self._pods[uid], ended=now) for uid in left}
        self._pods |= pods

    async def _entries(self, since: datetime, until: datetime) -> list[Entry]:
        recorded = [e async for e in self.ledger.entries(since, until) if e.owner.kind in PAYING]
        known = {pod_of(entry) for entry in recorded}
        holds = [hold for uid, hold in self._pods.items() if uid not in known]
        holds += _held(recorded)
        made: list[Entry] = []
        for presence in sorted(self._nodes.values(), key=lambda presence: presence.uid):
            made += nodes.entries(presence, holds, (since, until), self._since)
        return made

    def _forget(self, until: datetime) -> None:
        self._nodes = {u: it for u, it in self._nodes.items() if _is_open(it.ended, until)}
        self._pods = {u: it for u, it in self._pods.items() if _is_open(it.ended, until)}


PAYING = nodes.PAYING


def pod_of(entry: Entry) -> str:
    """Uid of the pod that an entry of a job or service is about."""
    return entry.id.partition("/")[0]


def _held(recorded: Iterable[Entry]) -> list[Hold]:
    """What pods that are recorded held: one hold for each time in which the price was the same.

    The parts of such a time lie in one another, and add up to it. A price may come back after
    another one: times between which there is another price are not one.
    """
    in_order = sorted(recorded, key=lambda entry: (pod_of(entry), entry.began))
    held = groupby(in_order, key=lambda entry: (pod_of(entry), entry.usd_per_hour))
    runs = ((rate, list(parts)) for (_, rate), parts in held)
    return [
        Hold(
            owner=parts[0].owner,
            node=parts[0].machine.node,
            began=min(part.began for part in parts),
            ended=max(part.ended for part in parts),
            gpus=parts[0].gpus,
            share=Fraction(0),
            usd_per_hour=rate,
        )
        for rate, parts in runs
    ]


def _repriced(before: Presence | None, now: Presence) -> Presence:
    """A node with the prices that it had, and the one that it has now if that is another."""
    if before is None or not before.prices or not now.prices:
        return now
    newest, last = now.prices[-1], before.prices[-1]
    if newest.usd_per_hour == last.usd_per_hour:
        return replace(now, prices=before.prices)
    return replace(now, prices=(*before.prices, newest))


def _is_open(ended: datetime | None, until: datetime) -> bool:
    return ended is None or ended > until


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
