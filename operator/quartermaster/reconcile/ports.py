"""What reconciling needs of the world. `adapters` fit these; tests bring fakes."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Protocol

from quartermaster.api.budgets.record import BudgetRecord
from quartermaster.api.record import JobRecord
from quartermaster.decide.cost.budgets import Window
from quartermaster.decide.cost.tally import Counted, Sheet
from quartermaster.decide.spot.outlook import Outlook
from quartermaster.domain.cluster import Node, Pool, Snapshot
from quartermaster.domain.decision import Assignment, Decision, Waiting
from quartermaster.domain.measurement import DeviceCounters
from quartermaster.domain.money.budget import Budget, Unfunded
from quartermaster.domain.money.ledger import Entry, Held
from quartermaster.domain.money.occupancy import Hold, Presence
from quartermaster.domain.money.spending import Dimension, Line, Sums
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.progress import Report
from quartermaster.domain.queue import Queue, Resize, Stopped
from quartermaster.domain.worker import ChildJob, Worker
from quartermaster.domain.workload import Gang

Document = Mapping[str, Any]


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        ...


class View(Protocol):
    """What is known of the cluster: one cache, true after every list."""

    def job(self, uid: str) -> JobRecord | None:
        """A TrainingJob."""
        ...

    def jobs(self) -> Iterable[JobRecord]:
        """All TrainingJobs."""
        ...

    def child(self, job_uid: str) -> ChildJob | None:
        """The Indexed Job that a TrainingJob owns."""
        ...

    def workers(self, job_uid: str) -> list[Worker]:
        """A TrainingJob's pods."""
        ...

    def gated(self) -> Iterable[str]:
        """Uids of jobs that have pods behind the placement gate."""
        ...

    def pools(self) -> tuple[Pool, ...]:
        """The ComputePools by name."""
        ...

    def queues(self) -> tuple[Queue, ...]:
        """The ComputeQueues by name."""
        ...

    def budgets(self) -> tuple[BudgetRecord, ...]:
        """The Budgets by namespace and name."""
        ...

    def why_no_devices(self, device_class: str) -> str:
        """Why no device of a DeviceClass can be given to anybody; empty where that is possible."""
        ...

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """A namespace's labels; none where it is not known yet."""
        ...

    def namespace_ends(self, name: str) -> bool:
        """Whether a namespace is being deleted."""
        ...

    def node(self, name: str) -> Node | None:
        """One node, without what its pods hold."""
        ...

    def snapshot(self) -> Snapshot:
        """Nodes with what their pods hold, and pools."""
        ...


class Writer(Protocol):
    """What is told to the cluster. Each call can be repeated."""

    async def has_job(self, worker: Worker) -> bool:
        """Whether the worker's TrainingJob is there, asked of the API server and not of a cache."""
        ...

    async def add_finalizer(self, job: JobRecord) -> None:
        """Keep the job until its accounts are closed."""
        ...

    async def remove_finalizer(self, job: JobRecord) -> None:
        """Let the job go."""
        ...

    async def preempt(self, job: JobRecord, stopped: Stopped) -> None:
        """Note on the job that it has to stop for another one."""
        ...

    async def readmit(self, job: JobRecord) -> None:
        """Let a job that was stopped wait for its turn again."""
        ...

    async def unfund(self, job: JobRecord, unfunded: Unfunded | None) -> None:
        """Note on the job that it has to stop since its money is spent; None: there is more."""
        ...

    async def is_gone(self, job: NamespacedName, uid: str) -> bool:
        """Whether a TrainingJob is gone, asked of the API server and not of a cache."""
        ...

    async def set_budget_status(self, record: BudgetRecord, status: Document) -> None:
        """Replace a Budget's status."""
        ...

    async def create(self, document: Document) -> None:
        """Create an owned object; ConflictError where one of that name is somebody else's."""
        ...

    async def create_claim(self, document: Document) -> None:
        """Create a claim unless there is one."""
        ...

    async def resize(self, job: JobRecord, resize: Resize | None) -> None:
        """Note on an elastic job how many workers it is to have; None: it has them."""
        ...

    async def suspend_child(self, child: ChildJob, *, suspend: bool, workers: int) -> None:
        """Stop the pods of a Job, or let them come again; so many of them from now on [count]."""
        ...

    async def resize_child(self, child: ChildJob, workers: int) -> None:
        """Keep so many pods [count]: those of the highest indices go, or further ones come."""
        ...

    async def delete_child(self, child: ChildJob) -> None:
        """Delete a Job and its pods."""
        ...

    async def delete_job(self, job: JobRecord) -> None:
        """Delete a TrainingJob."""
        ...

    async def place(
        self,
        worker: Worker,
        assignment: Assignment,
        workers: int | None = None,
        holds: Held | None = None,
    ) -> None:
        """Give a gated pod its node and, in an elastic gang, its size; take its gate away.

        What it holds is noted on it: that is what it is charged for.
        """
        ...

    async def delete_worker(self, worker: Worker) -> None:
        """Delete a pod, with its grace."""
        ...

    async def fail_lost(self, worker: Worker) -> None:
        """Mark a pod failed whose node is gone, and delete it for good."""
        ...

    async def reprice(
        self, worker: Worker, prices: Iterable[tuple[datetime, Fraction | None]]
    ) -> None:
        """Note on a pod all of its later prices, each with the time from which it is in force."""
        ...

    async def release(self, worker: Worker) -> None:
        """Take the accounting finalizer off a pod that has been charged."""
        ...

    async def set_status(self, job: JobRecord, status: Document) -> None:
        """Replace a job's status."""
        ...

    async def warnings(self, worker: Worker) -> list[tuple[str, str]]:
        """Reasons and messages of a pod's warning events, the newest last."""
        ...


class Recorder(Protocol):
    """Tells users what happened: events on their object."""

    def event(self, job: JobRecord, *, warning: bool, reason: str, message: str) -> None:
        """Post an event."""
        ...

    def budget_event(self, budget: Budget, *, warning: bool, reason: str, message: str) -> None:
        """Post an event on a Budget."""
        ...


class Spending(Protocol):
    """What jobs have spent."""

    async def count(
        self, budget: Budget, kept: Sheet | None, span: Window, until: datetime
    ) -> Counted:
        """What the jobs that a budget selects have spent in a period, up to a moment.

        Args:
            budget: Which jobs count.
            kept: What was counted before, as the Budget's status keeps it; None: nothing was.
            span: The period.
            until: The moment, within the period.

        Raises:
            ClusterError: Somebody who was asked did not answer.
        """
        ...


class Funding(Protocol):
    """Whether there is money for a job."""

    def judge(self, gang: Gang) -> Gang | Waiting:
        """The gang, perhaps on less capacity, or why it gets no place."""
        ...

    def owes(self, job: JobRecord) -> bool:
        """Whether a budget has still to count what a job that goes has cost."""
        ...


class Spot(Protocol):
    """Who runs on spot, and what is known of how long it lasts."""

    def judge(self, gang: Gang) -> Gang | Waiting:
        """The gang on the capacity that was chosen for it, or that it waits for spot."""
        ...

    def refused(self, job_uid: str) -> str:
        """Why a job is kept off spot, in one sentence; empty where it is not."""
        ...

    def mean_s(self, job_uid: str) -> float | None:
        """Mean time between interruptions of a job where it is now [s]; None off spot."""
        ...

    def outlook(self, job_uid: str) -> Outlook | None:
        """How a job stands to its deadline; None where nobody has looked at it."""
        ...


class Telemetry(Protocol):
    """Tells operators how well it went."""

    def decided(self, decision: Decision, seconds: float) -> None:
        """One placement decision and how long it took."""
        ...

    def placed(self, seconds: float) -> None:
        """A gang's gates are gone, this long after its job was created."""
        ...

    def preempted(self, reason: str) -> None:
        """A job is stopped for another one: Priority or Reclaim."""
        ...

    def resized(self, direction: str) -> None:
        """A job is to have other workers: it grows, shrinks, or moves to other nodes."""
        ...

    def recovered(self, seconds: float) -> None:
        """A gang steps again, this long after it broke."""
        ...

    def reconciled(self, outcome: str, seconds: float) -> None:
        """One pass over one job."""
        ...


class Counters(Protocol):
    """What GPUs count of themselves."""

    def of(self, pods: Iterable[NamespacedName]) -> DeviceCounters | None:
        """The mean over the GPUs of these pods; None where none of them is known."""
        ...


class Reports(Protocol):
    """The last progress report of each job."""

    def last(self, job_uid: str) -> Report | None:
        """None where none came since this operator began."""
        ...

    def forget(self, job_uid: str) -> None:
        """The job is gone."""
        ...


class Ledger(Protocol):
    """Who has used which machine for how long, and what it cost; outlives jobs and operators.

    Every method but `sums` and `knows` raises LedgerError while the store cannot be reached.
    """

    async def open(self) -> None:
        """Reach the store, or see that it is still the one that was reached."""
        ...

    async def record(
        self, entries: Sequence[Entry], cursors: Mapping[str, datetime] | None = None
    ) -> None:
        """Keep entries, and how far some account has come: all or nothing, and once by id.

        When it returns, they are on the disk. An entry of an id that is there is left as it is.
        """
        ...

    async def book(
        self, job: str, before: Sequence[Entry], held: Sequence[Entry]
    ) -> Sequence[Entry]:
        """Keep what pods of a job held, all or nothing, and each pod once.

        Args:
            job: Its uid.
            before: What its status holds already. It is kept too where nothing was booked of the
                job here: the ledger is new, or another one was lost.
            held: What the pods held; they are not in `before`.

        Returns:
            The entries of those pods that were booked here already, as they stand.
        """
        ...

    def knows(self, job: str) -> bool:
        """Whether something was booked of a job, as far as this operator has seen.

        It says so of every job while it is not open: nobody is to wait for it only to be told.
        """
        ...

    async def cursor(self, name: str) -> datetime | None:
        """How far an account has come; None where it has not begun."""
        ...

    async def spent(self, since: date, until: date, by: Sequence[Dimension]) -> list[Line]:
        """Sums over the days [since, until) in UTC, by these dimensions, the lowest key first."""
        ...

    def entries(self, since: datetime, until: datetime) -> AsyncIterator[Entry]:
        """Single entries, cut to [since, until), by their end; those that were dropped are not."""
        ...

    async def forget(self, before: datetime) -> int:
        """Drop single entries that ended before; their sums stay. Returns how many [count]."""
        ...

    def sums(self) -> Sums:
        """Everything since the ledger began; kept in memory."""
        ...


class Occupancy(Protocol):
    """Who is on which node, with what Kubernetes and the price lists say of it now."""

    def nodes(self) -> Iterable[Presence]:
        """The nodes that there are; of each the price that is in force, from now on."""
        ...

    def pods(self) -> Mapping[str, Hold]:
        """The pods that are or were bound to a node, and are still shown, by uid."""
        ...
