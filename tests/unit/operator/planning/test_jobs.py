"""TrainingJobs from files: what is taken, and what is refused in one line."""

import pytest

from quartermaster.errors import SpecError
from quartermaster.planning.jobs import read_jobs
from quartermaster.reconcile.demand import gang_of, new_gang
from tests.support import make

JOB = """\
apiVersion: quartermaster.dev/v1alpha1
kind: TrainingJob
metadata: {name: digits}
spec:
  model: {factory: "qm_trainer.zoo:resnet"}
  dataset: {uri: "builtin://digits"}
  trainer: {workers: 2}
"""


def test_jobs_keep_the_order_of_the_files_and_other_kinds_are_passed_over() -> None:
    other = JOB.replace("name: digits", "name: second, namespace: team-b, labels: {a: b}")
    both = f"kind: ConfigMap\napiVersion: v1\n---\n{JOB}---\n---\n{other}"
    third = JOB.replace("name: digits", 'name: third, labels: {quartermaster.dev/queue: "lab"}')
    jobs = read_jobs([("a.yaml", both), ("b.yaml", third)], "team-a", make.T0)
    assert [str(job.key) for job in jobs] == ["team-a/digits", "team-b/second", "team-a/third"]
    assert [job.queue for job in jobs] == ["default", "default", "lab"]
    assert [job.created for job in jobs] == sorted({job.created for job in jobs})
    assert len({job.uid for job in jobs}) == 3


def test_a_list_of_kubectl_is_taken_apart() -> None:
    indented = JOB.replace("\n", "\n    ").rstrip()
    text = f"kind: List\napiVersion: v1\nitems:\n  - {indented}\n"
    assert [str(job.key) for job in read_jobs([("-", text)], "team-a", make.T0)] == [
        "team-a/digits"
    ]


def test_what_is_planned_is_the_gang_that_the_operator_will_see() -> None:
    spec = make.spec(
        trainer={"workers": 3, "resourcesPerWorker": {"gpus": 2, "cpu": "500m"}},
        priority=7,
        activeDeadlineSeconds=60,
        placement={"accelerators": [make.T4], "topology": {"mode": "Required"}},
        stepCosts={"flopsPerSample": 10**9, "parameters": 10**6},
    )
    job = make.record(spec=spec, queue="lab")
    gated = [make.worker(index, gates=("quartermaster.dev/placement",)) for index in range(3)]
    assert new_gang(job) == gang_of(job, gated)
    assert new_gang(job) is not None


@pytest.mark.parametrize("spec", [{"suspend": True}, {"managedBy": "kueue.x-k8s.io/multikueue"}])
def test_a_job_that_asks_for_no_place_has_no_gang(spec: dict[str, object]) -> None:
    assert new_gang(make.record(spec=make.spec(**spec))) is None


BAD = [
    ("a: [1", "a.yaml: not YAML: line 1: expected ',' or ']'"),
    ("\tx", "a.yaml: not YAML: line 1"),
    ("", "a.yaml: there is no TrainingJob in it"),
    ("kind: ConfigMap\napiVersion: v1\n", "a.yaml: there is no TrainingJob in it"),
    ("- 1\n", "a.yaml: not a Kubernetes object"),
    (f"{JOB}---\nwords\n", "a.yaml: document 2: not a Kubernetes object"),
    (JOB.replace("/v1alpha1", "/v1"), "a.yaml: apiVersion of a TrainingJob is quartermaster.dev/"),
    (JOB.replace("name: digits", "name: Digits"), "a.yaml: metadata.name must be at most 52"),
    (JOB.replace("{name: digits}", "{}"), "a.yaml: metadata.name must be"),
    (JOB.replace("{name: digits}", "[]"), "a.yaml: metadata.name must be"),
    (JOB.replace("name: digits", "name: digits, labels: {a: 1}"), "metadata.labels are pairs"),
    (JOB.replace("workers: 2", "workers: 0"), "spec.trainer.workers: Input should be greater"),
    (JOB.replace("workers: 2", "worker: 2"), "spec.trainer.worker: Extra inputs are not"),
    (JOB.replace("workers: 2", "workers: two, epochs: 0"), "(and 1 more)"),
    (JOB.replace("builtin:", "s3:"), "digits: spec.dataset.uri: must be builtin://NAME"),
    (JOB.partition("spec:")[0], "digits: spec: give either model and dataset, or trainer.command"),
    (JOB.partition("spec:")[0] + "spec: 3\n", "digits: spec: Input should be"),
    (f"{JOB}---\n{JOB}", "a.yaml: document 2: team-a/digits is there twice"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_what_would_be_refused_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_jobs([("a.yaml", text)], "team-a", make.T0)
    assert words in str(caught.value)
