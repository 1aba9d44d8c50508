"""A cluster in memory in which jobs cost money, for tests of budgets."""

from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from quartermaster.api.budgets.budget import BudgetSpec, BudgetStatus
from quartermaster.api.budgets.record import BudgetRecord, budget_of
from quartermaster.domain.money.budget import Budget
from quartermaster.domain.name import NamespacedName
from tests.support import make
from tests.support.operation import Operation

USD_PER_GPU_HOUR = "36"
"""A cent a second, so that amounts are easy to follow."""
PER_SECOND = Fraction(1, 100)
SAVE_S = 3


def operation(gpus: int = 4, price: str | None = USD_PER_GPU_HOUR) -> Operation:
    it = Operation()
    it.cluster.add_node(make.node("node-a", gpus))
    it.cluster.all_pools = (make.pool("pool", make.price(price)),) if price else ()
    return it


def submit(it: Operation, name: str = "job", workers: int = 2, **more: Any) -> str:
    """Submit a job now; what `make.record` does not know is the spec's."""
    record = {field: more.pop(field) for field in ("queue", "labels") if field in more}
    spec = make.spec(trainer={"workers": workers}, **more)
    return it.cluster.submit(make.record(name, spec, created=it.cluster.clock.now(), **record))


def budget(it: Operation, name: str = "team", **spec: Any) -> str:
    """Make a Budget now."""
    about = Budget(NamespacedName("team", name), f"uid-of-{name}", it.cluster.clock.now())
    model = BudgetSpec.model_validate({"period": "Total", **spec})
    record = BudgetRecord(budget_of(model, about), 1, BudgetStatus())
    it.cluster.all_budgets[about.uid] = record
    return about.uid


def change(it: Operation, uid: str, **spec: Any) -> None:
    """The user changes a Budget's spec."""
    old = it.cluster.all_budgets[uid]
    model = BudgetSpec.model_validate({"period": "Total", **spec})
    it.cluster.all_budgets[uid] = replace(
        old, budget=budget_of(model, old.budget), generation=old.generation + 1
    )


def status(it: Operation, uid: str = "uid-of-team") -> BudgetStatus:
    return it.cluster.all_budgets[uid].status


def spent(it: Operation, uid: str = "uid-of-team") -> Fraction:
    """What the Budget's books come to, exact [USD]."""
    books = status(it, uid).books
    return Fraction(books.carried) + sum((Fraction(one.counted) for one in books.jobs), Fraction())


async def settle(it: Operation, *uids: str) -> None:
    """Passes, placement and looks until nothing moves; what is placed runs at once."""
    for _ in range(3):
        await it.drive(*[uid for uid in uids if uid in it.cluster.records])
        for uid in uids:
            it.cluster.run_pods(uid)
    await it.drive(*[uid for uid in uids if uid in it.cluster.records])


def leave(it: Operation, uid: str, told: dict[str, datetime], save_s: float = SAVE_S) -> None:
    """Workers that were told to go end when they have saved."""
    now = it.cluster.clock.now()
    for worker in it.cluster.workers(uid):
        if worker.deleting is not None and not worker.over and worker.bound is not None:
            since = told.setdefault(worker.uid, now)
            if (now - since).total_seconds() >= save_s:
                it.cluster.end(worker, 76)


async def pass_time(
    it: Operation, seconds: int, *uids: str, save_s: float = SAVE_S, step: int = 1
) -> None:
    """Let time pass, with a look at everything in each step [s]."""
    told: dict[str, datetime] = {}
    for _ in range(0, seconds, step):
        it.cluster.clock.advance(step)
        for uid in uids:
            leave(it, uid, told, save_s)
        await settle(it, *uids)


def end(it: Operation, uid: str) -> None:
    """The job's workers succeed."""
    for worker in it.cluster.workers(uid):
        if worker.live and worker.bound is not None:
            it.cluster.end(worker)
