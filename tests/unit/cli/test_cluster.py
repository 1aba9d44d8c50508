"""What every cluster promises, kept by the one in memory and by a real one."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from kubectl_qm import views, workers
from kubectl_qm.access.connection import connect
from kubectl_qm.cluster import Cluster, LogRequest
from kubectl_qm.errors import NotFoundError
from quartermaster.api.meta import API_VERSION
from tests.support import qm_make as make
from tests.support.kubectl import Kubectl, NoClusterError
from tests.support.kubectl import connect as kubectl_connect
from tests.support.qm_cluster import MemoryCluster

TEXT = "first\nsecond\nthird"


@dataclass
class Stage:
    """A cluster that holds one job with one pod, one event and one pool."""

    cluster: Cluster
    namespace: str
    uid: str
    pool: str


class Contract:
    """Laws of `Cluster`."""

    def test_a_job_is_listed_in_its_namespace_and_among_all(self, stage: Stage) -> None:
        for namespace in (stage.namespace, None):
            jobs = [views.job(each) for each in stage.cluster.list_jobs(namespace)]
            assert ("digits", stage.uid) in [(job.name, job.uid) for job in jobs]

    def test_an_empty_namespace_has_no_jobs(self, stage: Stage) -> None:
        assert stage.cluster.list_jobs("no-such-namespace") == []

    def test_a_job_is_found_by_name(self, stage: Stage) -> None:
        job = views.job(stage.cluster.get_job(stage.namespace, "digits"))
        assert (job.uid, job.state, job.wanted_workers) == (stage.uid, "Running", 2)
        assert job.cost is not None
        assert str(job.cost.total) == "0.5865"

    def test_a_missing_job_is_not_found(self, stage: Stage) -> None:
        with pytest.raises(NotFoundError):
            stage.cluster.get_job(stage.namespace, "digist")

    def test_pods_are_found_by_the_uid_of_their_job(self, stage: Stage) -> None:
        pods = [
            workers.worker(each) for each in stage.cluster.list_pods(stage.namespace, stage.uid)
        ]
        assert [(pod.index, pod.pod, pod.has_log) for pod in pods] == [(1, "digits-1", True)]
        assert stage.cluster.list_pods(stage.namespace, "another") == []

    def test_events_are_found_by_the_uid_of_their_object(self, stage: Stage) -> None:
        events = stage.cluster.list_events(stage.namespace, stage.uid)
        assert [views.event(each).message for each in events] == ["1 GPU is free"]

    def test_pools_are_listed(self, stage: Stage) -> None:
        pools = {pool.name: pool for pool in map(views.pool, stage.cluster.list_pools())}
        assert len(pools[stage.pool].prices) == 2

    @pytest.mark.parametrize(
        ("options", "want"),
        [
            ({}, ["first", "second", "third"]),
            ({"tail": 2}, ["second", "third"]),
            ({"tail": 0}, []),
            ({"follow": True}, ["first", "second", "third"]),
        ],
    )
    def test_a_log_has_its_lines(
        self, stage: Stage, options: dict[str, Any], want: list[str]
    ) -> None:
        request = LogRequest(stage.namespace, "digits-1", **options)
        assert list(stage.cluster.stream_log(request)) == want

    def test_a_log_has_times_when_they_are_asked_for(self, stage: Stage) -> None:
        request = LogRequest(stage.namespace, "digits-1", timestamps=True)
        stamped = [line.partition(" ") for line in stage.cluster.stream_log(request)]
        assert [text for _, _, text in stamped] == TEXT.split("\n")
        times = [time for time, _, _ in stamped]
        assert times == sorted(times)
        assert all(time.endswith("Z") for time in times)

    def test_the_log_of_a_missing_pod_is_not_found(self, stage: Stage) -> None:
        with pytest.raises(NotFoundError):
            list(stage.cluster.stream_log(LogRequest(stage.namespace, "no-such-pod")))


class TestMemoryCluster(Contract):
    @pytest.fixture
    def stage(self) -> Stage:
        job = make.training_job(status=make.running_status())
        cluster = MemoryCluster(
            jobs=[job],
            pods=[make.pod(1, job=job, name="digits-1")],
            events=[make.event("uid-team-a-digits", "Waiting", "1 GPU is free")],
            pools=[make.pool()],
            logs={"digits-1": [f"2026-11-23T09:51:0{i}Z {t}" for i, t in enumerate(TEXT.split())]},
        )
        return Stage(cluster, "team-a", "uid-team-a-digits", "research")


@pytest.fixture(scope="module")
def real_stage() -> Iterator[Stage]:
    try:
        kubectl = kubectl_connect()
    except NoClusterError as error:
        pytest.fail(str(error))
    name = f"qm-cli-contract-{uuid4().hex[:8]}"
    kubectl.out("create", "namespace", name)
    try:
        yield fill(kubectl, name)
    finally:
        kubectl.run("delete", "computepool", name)
        kubectl.run("-n", name, "delete", "trainingjobs", "--all", "--timeout=30s")
        kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.mark.e2e
class TestKubernetesCluster(Contract):
    @pytest.fixture
    def stage(self, real_stage: Stage) -> Stage:
        return real_stage


def fill(kubectl: Kubectl, name: str) -> Stage:
    """The same objects in a namespace of their own; managedBy keeps the operator's hands off."""
    job = make.training_job(namespace=name, spec={"managedBy": "example.com/contract"})
    job["metadata"] = {"name": "digits", "namespace": name}
    uid = json.loads(create(kubectl, job))["metadata"]["uid"]
    status = json.dumps({"status": make.running_status()})
    where = ("-n", name, "trainingjob", "digits")
    kubectl.out("patch", *where, "--subresource=status", "--type=merge", "-p", status)
    create(kubectl, worker_pod(kubectl, name, uid))
    create(kubectl, event_about(name, uid))
    pool = make.pool(name, spec={"nodeSelector": {"contract": name}})
    pool["metadata"] = {"name": name}
    create(kubectl, pool | {"apiVersion": API_VERSION, "kind": "ComputePool"})
    done = "--for=jsonpath={.status.phase}=Succeeded"
    kubectl.out("-n", name, "wait", done, "pod/digits-1", "--timeout=50s")
    return Stage(connect(str(kubectl.kubeconfig), None), name, uid, name)


def create(kubectl: Kubectl, content: make.Json) -> str:
    return kubectl.out("create", "-o", "json", "-f", "-", stdin=json.dumps(content))


def worker_pod(kubectl: Kubectl, namespace: str, uid: str) -> make.Json:
    labels = make.pod(1)["metadata"]["labels"] | {"quartermaster.dev/job-uid": uid}
    script = f"printf '{TEXT}\\n'".replace("\n", "\\n")
    container = {"name": "trainer", "image": image(kubectl), "command": ["sh", "-c"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "digits-1", "namespace": namespace, "labels": labels},
        "spec": {"restartPolicy": "Never", "containers": [container | {"args": [script]}]},
    }


def image(kubectl: Kubectl) -> str:
    """A busybox that the nodes have."""
    given = os.environ.get("QM_BUSYBOX")
    nodes = json.loads(kubectl.out("get", "nodes", "-o", "json"))["items"]
    listed = [each for node in nodes for each in node["status"].get("images", [])]
    names = [name for each in listed for name in each.get("names") or [] if "@" not in name]
    return given or next(name for name in names if "busybox" in name)


def event_about(namespace: str, uid: str) -> make.Json:
    about = {"kind": "TrainingJob", "name": "digits", "namespace": namespace, "uid": uid}
    event = make.event(uid, "Waiting", "1 GPU is free")
    meta = {"name": "digits.contract", "namespace": namespace}
    more = {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": about}
    return event | more
