"""The composition root: settings become adapters, adapters become reconcilers, and they run."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Coroutine, Mapping
from functools import partial
from typing import Any

import kopf
from aiohttp import web
from kubernetes.aio.client.api_client import ApiClient

from quartermaster.adapters import informers, scene
from quartermaster.adapters.cache import Cache
from quartermaster.adapters.clock import SystemClock
from quartermaster.adapters.election import Leadership
from quartermaster.adapters.exporters.dcgm import DcgmCounters
from quartermaster.adapters.http import (
    JobAddress,
    ProgressEndpoint,
    TokenReviewer,
    health,
    serve,
)
from quartermaster.adapters.informer import listed
from quartermaster.adapters.kube import KubeClient, connect
from quartermaster.adapters.ledger.endpoint import LedgerEndpoint
from quartermaster.adapters.ledger.occupancy import ClusterOccupancy
from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.adapters.metrics import registered
from quartermaster.adapters.metrics.process import HeardCache, ProcessCollector, Watches
from quartermaster.adapters.metrics.registered import Sources
from quartermaster.adapters.metrics.telemetry import PrometheusTelemetry
from quartermaster.adapters.prices import shipped
from quartermaster.adapters.prices.feed import PriceFeed
from quartermaster.adapters.view import ClusterView
from quartermaster.adapters.writer import ClusterWriter, EventPoster
from quartermaster.api import compute_pool, compute_queue, meta, training_job
from quartermaster.api.budgets import budget
from quartermaster.api.record import JobRecord
from quartermaster.domain.money.budget import Budget
from quartermaster.errors import ClusterError
from quartermaster.handlers import resources
from quartermaster.reconcile import compute_queues, pools
from quartermaster.reconcile.budgets import keeper
from quartermaster.reconcile.budgets.keeper import BudgetKeeper
from quartermaster.reconcile.budgets.spending import JobSpending
from quartermaster.reconcile.budgets.verdicts import Verdicts
from quartermaster.reconcile.cycle import PlacementCycle, Surroundings
from quartermaster.reconcile.demand import size_of
from quartermaster.reconcile.ledger import upkeep
from quartermaster.reconcile.ledger.nodes import NodeAccounts
from quartermaster.reconcile.progress import read_report
from quartermaster.reconcile.queue import WorkQueue
from quartermaster.reconcile.training_job import TrainingJobReconciler
from quartermaster.reconcile.world import World
from quartermaster.settings import Settings

logger = logging.getLogger(__name__)

POOL_STATUS_SECONDS = 5.0
SEEN_SECONDS = 10.0
"""So long a new leader waits at most for objects that the API server listed."""
START_SECONDS = 90.0
"""Watchers and caches have to be there within this time of leading."""


class Operator:
    """Everything that runs in one process."""

    def __init__(self, settings: Settings, api: ApiClient) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._telemetry = PrometheusTelemetry()
        self._leadership = Leadership(
            api,
            name=settings.lease_name,
            namespace=settings.namespace,
            identity=settings.pod_name,
        )
        told = self._telemetry
        self._client = KubeClient(api, self._may_write, told.wrote, told.failed)
        self._view = ClusterView(touched=self._touched, room=self._room, reclaimed=told.reclaimed)
        self._writer = ClusterWriter(self._client, self._view, self._clock)
        self._events = EventPoster(self._client, self._clock, settings.pod_name)
        self._progress = ProgressEndpoint(
            TokenReviewer(self._client, self._clock),
            self._job_of_pod,
            read_report,
            clock=self._clock,
            leading=self._may_write,
            accepted=self._touched,
            answered=self._telemetry.reported,
        )
        self._cycle = PlacementCycle(
            Surroundings(self._view, self._writer, self._telemetry, self._clock, scene.KNOWN),
            settings=settings,
            changed=self._touched,
        )
        spending = JobSpending(self._view, self._writer)
        self._keeper = BudgetKeeper(
            keeper.Surroundings(self._view, self._writer, self, spending, self._clock),
            self._touched,
        )
        self._counters = DcgmCounters(settings.dcgm_addresses())
        self._ledger = SqlLedger(settings.ledger_url, self._clock) if settings.ledger_url else None
        world = World(
            view=self._view,
            writer=self._writer,
            recorder=self,
            reports=self._progress,
            telemetry=self._telemetry,
            clock=self._clock,
            settings=settings,
            ledger=self._ledger,
            decisions=self._cycle.decisions,
            counters=self._counters,
            funding=Verdicts(self._view, self._clock),
        )
        self._reconciler = TrainingJobReconciler(world)
        self._queue = WorkQueue(self._reconciler)
        self._watches = Watches(self._clock)
        self._informers = informers.of_cluster(self._client, self._view, self._watches.heard)
        self._background: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._leading_since: float | None = None
        self._knows = False
        """Whether all caches are filled."""
        self._feed = self._make_feed()
        self._view.use_prices(shipped.lists())
        self._occupancy = ClusterOccupancy(self._view, self._clock)
        self._register_collectors()

    def _register_collectors(self) -> None:
        """What is read when somebody scrapes."""
        registry, size = self._telemetry.registry, partial(size_of, view=self._view)
        limit = self._settings.max_job_series
        sources = Sources(self._view, self._occupancy, self._ledger, self._clock, size, limit)
        registered.register(registry, sources, lambda: self._knows)
        process = ProcessCollector(
            self._may_write, lambda: self._queue.depth, self._watches, self._watched
        )
        registry.register(process)

    def _make_feed(self) -> PriceFeed:
        return PriceFeed(
            self._settings.price_catalog,
            self._settings.price_catalog_hours * 3600,
            changed=lambda own: self._view.use_prices(shipped.lists(own)),
            counted=self._telemetry.prices_read,
        )

    async def run(self) -> int:
        """Serve, wait for the lease, lead; returns the exit status."""
        self._take_signals()
        main = await serve(
            self._settings.http_port,
            [
                web.post("/v1/progress", self._progress.handle),
                web.get("/healthz", health(self._unhealthy)),
                web.get("/readyz", health(self._unready)),
            ],
        )
        scrape = await serve(self._settings.metrics_port, self._readings())
        try:
            return await self._until_stopped()
        finally:
            await self._leadership.hand_over()
            if self._ledger is not None:
                await self._ledger.close()
            await main.cleanup()
            await scrape.cleanup()

    def _take_signals(self) -> None:
        """Stop on a signal.

        Taken again when kopf has started: it takes them for itself, and then waits five seconds for
        whatever else runs in the process before it returns, while nobody else may lead.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)

    async def _until_stopped(self) -> int:
        """0 after a signal, 1 when the lease was lost or a part of the operator ended."""
        if self._settings.leader_election:
            work: Awaitable[None] = self._leadership.run(self._lead)
        else:
            self._leadership.lead_unchallenged()
            work = self._lead()
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        status = 0 if self._stopping.is_set() else 1
        if status:
            error = working.exception() if not working.cancelled() else None
            logger.error("no longer leading, ending so that a new start can", exc_info=error)
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
        return status

    async def _lead(self) -> None:
        self._leading_since = asyncio.get_running_loop().time()
        devices = informers.of_devices(self._client, self._view.devices, self._watches.heard)
        self._informers += await devices
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers:
                tasks.create_task(informer.run())
            # Nothing is decided before everything has been seen once: an empty cache looks free.
            for informer in self._informers:
                await informer.synced.wait()
            if self._settings.price_catalog:
                await self._feed.once()
                tasks.create_task(self._feed.run())
            tasks.create_task(self._watch_resources())
            await self._seen_by_kopf()
            self._knows = True
            self._take_signals()
            tasks.create_task(self._queue.run(self._settings.concurrency))
            tasks.create_task(self._cycle.run())
            tasks.create_task(self._keeper.run())
            tasks.create_task(self._report_pools())
            if self._ledger is not None:
                tasks.create_task(self._keep_ledger(self._ledger))
            if self._settings.dcgm_addresses():
                tasks.create_task(self._counters.run())

    def _own_kinds(self) -> Mapping[str, Cache[Any]]:
        """The caches that kopf fills, by resource."""
        view = self._view
        return {
            training_job.PLURAL: view.training_jobs,
            compute_pool.PLURAL: view.compute_pools,
            compute_queue.PLURAL: view.compute_queues,
            budget.PLURAL: view.all_budgets,
        }

    def _watched(self) -> Mapping[str, bool]:
        """Whether each resource is watched; a standby watches none, and need not."""
        if not self._knows:
            return {}
        alive = resources.watchers()
        return {
            **{it.resource: it.up for it in self._informers if it.up is not None},
            **{plural: plural in alive for plural in self._own_kinds()},
        }

    async def _seen_by_kopf(self) -> None:
        """Return when kopf has told of all objects of our kinds that there are now.

        Without this, a new leader's first cycle could place jobs as if there were no pools, and
        hand out quota that jobs it has not heard of hold.
        """
        try:
            async with asyncio.timeout(SEEN_SECONDS):
                for plural, cache in self._own_kinds().items():
                    path = f"/apis/{meta.API_VERSION}/{plural}"
                    there, _ = await listed(self._client, path, {})
                    while any(cache.get(uid) is None for uid in there):  # noqa: ASYNC110 - kopf's doing
                        await asyncio.sleep(0.05)
        except (TimeoutError, ClusterError) as error:
            # Deleted since, or an API server that does not answer: the watches go on either way.
            logger.warning("not all objects were seen before the first cycle: %r", error)

    async def _watch_resources(self) -> None:
        heard, kinds = self._watches.heard, self._own_kinds()
        sinks = {plural: HeardCache(kinds[plural], partial(heard, plural)) for plural in kinds}
        registry = resources.registry(sinks, None)
        await kopf.operator(
            registry=registry, clusterwide=True, standalone=True, stop_flag=self._stopping
        )
        self._stopping.set()

    async def _keep_ledger(self, ledger: SqlLedger) -> None:
        accounts = NodeAccounts(self._occupancy, ledger, self._clock)
        await upkeep.keep(ledger, accounts, self._clock, self._settings.ledger_retention_days)

    async def _report_pools(self) -> None:
        while True:
            try:
                await pools.report(self._view, self._writer, self._clock)
                half_life_s = self._settings.queue_half_life_seconds
                await compute_queues.report(self._view, self._writer, self._clock, half_life_s)
            except ClusterError as error:
                logger.info("status of pools and queues not written, again: %s", error)
            await asyncio.sleep(POOL_STATUS_SECONDS)

    def event(self, job: JobRecord, *, warning: bool, reason: str, message: str) -> None:
        """Post an event in the background."""
        self._in_background(self._post(job, warning=warning, reason=reason, message=message))

    def budget_event(self, budget: Budget, *, warning: bool, reason: str, message: str) -> None:
        """Post an event on a Budget in the background."""
        self._in_background(self._post(budget, warning=warning, reason=reason, message=message))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _post(
        self, about: JobRecord | Budget, *, warning: bool, reason: str, message: str
    ) -> None:
        try:
            await self._events.post(about, warning=warning, reason=reason, message=message)
        except ClusterError as error:
            logger.debug("event on %s not posted: %s", about.key, error)

    def _touched(self, job_uid: str) -> None:
        if job_uid:
            self._queue.add(job_uid)
            self._keeper.wake()

    def _room(self) -> None:
        self._cycle.wake()
        self._keeper.wake()

    def _may_write(self) -> bool:
        return self._leadership.may_write()

    def _job_of_pod(self, pod_uid: str) -> JobAddress | None:
        pod = self._view.pods.get(pod_uid)
        if pod is None or pod.worker is None:
            return None
        job = self._view.job(pod.worker.job_uid)
        if job is None:
            return None
        return JobAddress(job.uid, job.key.namespace, job.key.name)

    def _unhealthy(self) -> str | None:
        """What a restart would cure: a watcher that is dead in a process that is alive."""
        if self._leading_since is None:
            return None
        if asyncio.get_running_loop().time() - self._leading_since < START_SECONDS:
            return None
        missing = self._own_kinds().keys() - resources.watchers()
        if missing:
            return f"no live watcher for {', '.join(sorted(missing))}"
        return None

    def _unready(self) -> str | None:
        """A standby is ready; a leader is once it has seen everything."""
        if self._leading_since is None:
            return None
        if all(informer.synced.is_set() for informer in self._informers):
            return None
        return "the caches are not filled yet"

    def _readings(self) -> list[web.RouteDef]:
        """What whoever watches the operator may read."""
        ledger = LedgerEndpoint(self._ledger, self._may_write)
        return [
            web.get("/metrics", self._metrics),
            web.get("/cycle", self._last_cycle),
            web.get("/ledger", ledger.sums),
            web.get("/ledger/entries", ledger.entries),
        ]

    async def _last_cycle(self, _: web.Request) -> web.Response:
        """The input of the newest cycle, for `quartermaster replay`."""
        if self._cycle.last_scene is None:
            return web.Response(status=404, text="nobody has waited since this operator began\n")
        return web.Response(
            body=scene.write(self._cycle.last_scene), content_type="application/json"
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        body = self._telemetry.exposition()
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"})


async def run(settings: Settings) -> int:
    """Run the operator until a signal; returns the exit status."""
    api = await connect(os.environ.get("KUBECONFIG") or None)
    try:
        return await Operator(settings, api).run()
    finally:
        await api.close()  # type: ignore[no-untyped-call]
