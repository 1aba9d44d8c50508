"""The dashboards' queries, asked of a real Prometheus that scrapes the real operator."""

import json
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devcluster.prometheus import prometheus, scrape
from quartermaster.metrics import PREFIX
from tests.e2e.test_queues import gpu_job, waits
from tests.e2e.test_spot import NOTICE, SPOT, reclaim
from tests.support.boards import boards, filled, queries, times
from tests.support.prometheus import Prometheus, operator_address
from tests.support.stage import Json, Stage, digits_job

pytestmark = pytest.mark.e2e

MOVED, STEADY, WAITING = "moved", "steady", "waiting"
GPUS = ("Tesla-T4", "NVIDIA-A10G")
QUEUE_KIND = "computequeues.quartermaster.dev"
SCRAPE_S = 5
ROUNDED_USD = 8 * 0.00005
"""A status tells the sum and its seven parts with four digits each."""
SETTLE_S = 4 * SCRAPE_S
"""From a job's end until its last figures were scraped, and scraped again [s]."""
FULL_MINUTE_S = 60 + SETTLE_S
"""Since Prometheus was started, so that a full minute of the clock was scraped [s]: a panel over an
hour looks at nothing else."""

RECORDED = ("job_gpu_busy_ratio",)
"""Metrics that this cluster cannot have: its GPUs are pretended, and have no counters. They are
written here in the form in which the operator exports them, and everything else is the
operator's own."""


@pytest.fixture
def recorded(stage: Stage) -> Iterator[str]:
    """The address of what stands in for GPU counters."""
    name, labels = PREFIX + RECORDED[0], f'namespace="{stage.namespace}",job="{MOVED}"'
    text = f"# TYPE {name} gauge\n{name}{{{labels}}} 0.93\n".encode()

    class Exposition(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exposition)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def watched(stage: Stage, recorded: str, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the operator, and a spot node that stays when all is over."""
    operator = operator_address(stage.kubectl)
    whom = (scrape(operator), scrape(recorded, "recorded"))
    with prometheus(tmp_path, *whom, every_s=SCRAPE_S) as address:
        yield Prometheus(address)
    stage.kubectl.run("taint", "node", SPOT, f"{NOTICE}:NoSchedule-")
    stage.kubectl.run("delete", QUEUE_KIND, stage.namespace, "--wait=false")


def training(name: str, queue: str, epochs: int, **placement: object) -> Json:
    job = digits_job(name, epochs=epochs)
    job["metadata"]["labels"] = {"quartermaster.dev/queue": queue}
    job["spec"]["trainer"]["workers"] = 1
    job["spec"]["placement"] = placement
    return job


def play(stage: Stage) -> None:
    """One job on spot that loses its node, one on demand, one that waits for both; a Budget."""
    group = {"apiVersion": "quartermaster.dev/v1alpha1"}
    queue = group | {
        "kind": "ComputeQueue",
        "metadata": {"name": stage.namespace},
        "spec": {"nominalQuota": [{"accelerator": gpu, "gpus": 8} for gpu in GPUS]},
    }
    stage.kubectl.out("apply", "-f", "-", stdin=json.dumps(queue))
    budget = {"kind": "Budget", "metadata": {"name": "team"}, "spec": {"amount": "1.00"}}
    stage.apply(group | budget)
    stage.apply(
        training(MOVED, stage.namespace, 40, objective="Cost"),
        training(STEADY, stage.namespace, 12, capacityType="OnDemand"),
    )
    stage.wait(MOVED, lambda s: (s.get("progress") or {}).get("step", 0) > 20, 180, "at step 20")
    stage.apply(gpu_job(WAITING, 5, stage.namespace, workers=2))
    waits(stage, WAITING, "NoCapacity")
    reclaim(stage)
    stage.wait(MOVED, lambda s: bool((s.get("goodput") or {}).get("interruptions")), 90, "moved")
    stage.kubectl.out("taint", "node", SPOT, f"{NOTICE}:NoSchedule-")
    stage.wait_for(STEADY, "Complete", 240)
    stage.wait_for(MOVED, "Complete", 300)
    # It has room now, and what it costs is in the ledger too.
    stage.wait_for(WAITING, "Complete", 120)
    time.sleep(SETTLE_S)


def test_every_panel_has_data_and_a_job_costs_the_same_everywhere(
    stage: Stage, watched: Prometheus
) -> None:
    began = time.time()
    play(stage)
    time.sleep(max(0.0, began + FULL_MINUTE_S - time.time()))
    assert empty(watched, stage.namespace, began) == []
    for name in (MOVED, STEADY):
        cost = stage.status(name)["cost"]
        labels = f'namespace="{stage.namespace}",job="{name}"'
        shown = watched.number(f"max({PREFIX}job_cost_usd{{{labels}}})")
        assert shown == float(cost["total"])
        parts = watched.number(f"sum({PREFIX}job_part_usd{{{labels}}})")
        assert parts == pytest.approx(shown, abs=ROUNDED_USD)
    every = (MOVED, STEADY, WAITING)
    exact = sum(Fraction(stage.status(name)["cost"]["accrued"]) for name in every)
    ledger = f'sum({PREFIX}cost_usd_total{{kind="Job",namespace="{stage.namespace}"}})'
    assert watched.number(ledger) == pytest.approx(float(exact), rel=1e-9)


def empty(watched: Prometheus, namespace: str, began: float) -> list[str]:
    """The queries that no moment since then has an answer to, of any of our jobs."""
    now = time.time()
    common = times(int(now - began), SCRAPE_S) | {"queue": ".*", "namespace": ".*"}
    found = []
    for query in queries():
        several = "job" in [one["name"] for one in boards()[query.board]["templating"]["list"]]
        jobs = [{"namespace": namespace, "job": job} for job in (MOVED, STEADY, WAITING)]
        asked = [filled(query.expression, common | job) for job in (jobs if several else [{}])]
        if not any(watched.matrix(one, began, now, SCRAPE_S) for one in asked):
            found.append(f"{query.name}: {query.expression}")
    return found
