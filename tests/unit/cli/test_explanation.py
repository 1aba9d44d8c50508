import pytest

from kubectl_qm import views, workers
from kubectl_qm.explanation import Explanation, explain
from tests.support import qm_make as make


def explained(*pods: make.Json, **job: object) -> Explanation:
    document = make.training_job(**job)  # type: ignore[arg-type]
    return explain(views.job(document), [workers.worker(pod) for pod in pods], [])


def test_the_reason_to_wait_is_told_once() -> None:
    answer = explained(status=make.waiting_status())
    assert answer.why == (
        "needs 2 x 1 GPU, 1 GPU is free: waits until job vision ends or a node is added",
    )


def test_a_running_job_is_where_it_is_for_the_reason_of_its_placement() -> None:
    answer = explained(status=make.running_status())
    assert answer.why == ("2 x A100 in zone z1, spot, 3.91 USD/h: the cheapest whole gang.",)
    assert answer.remedies == ()


@pytest.mark.parametrize(
    ("kind", "words"), [("Input", "wait for data"), ("Communication", "wait for other workers")]
)
def test_a_running_job_that_waits_is_told_what_would_shorten_its_steps(
    kind: str, words: str
) -> None:
    answer = explained(status=make.running_status(profile=make.profile(bound=kind)))
    assert len(answer.remedies) == 1
    assert words in answer.remedies[0]


def test_nothing_is_advised_from_another_jobs_steps_or_before_ones_own() -> None:
    borrowed = make.profile(bound="Input", fromJob="other")
    assert explained(status=make.running_status(profile=borrowed)).remedies == ()
    waiting = make.waiting_status(profile=make.profile(bound="Input"))
    assert explained(status=waiting).remedies == ()


def test_a_job_that_nobody_looked_at_points_to_the_operator() -> None:
    answer = explained()
    assert answer.why == ("The operator has not looked at this job yet.",)
    assert "app.kubernetes.io/name=quartermaster" in answer.remedies[0]


def test_a_job_of_another_controller_is_left_to_it() -> None:
    answer = explained(spec={"managedBy": "kueue.x-k8s.io/multikueue"})
    assert answer.why == (
        "spec.managedBy is 'kueue.x-k8s.io/multikueue': Quartermaster leaves this job to it.",
    )
    assert answer.remedies == ()


def test_a_suspended_job_is_told_how_to_go_on() -> None:
    suspended = make.condition("Suspended", "True", "Suspended", "spec.suspend is true")
    status = {"observedGeneration": 1, "state": "Suspended", "conditions": [suspended]}
    answer = explained(spec={"suspend": True}, status=status)
    assert answer.why == ("spec.suspend is true",)
    assert answer.remedies[0].startswith("Let it go on: kubectl -n team-a patch trainingjob digits")


def test_a_status_that_lags_behind_the_spec_is_told() -> None:
    answer = explained(status=make.waiting_status(), generation=3)
    assert "generation 1 of the spec, which is now at 3" in answer.remedies[0]


@pytest.mark.parametrize(("kind", "want"), [("ConfigError", 1), ("PeerLost", 0)])
def test_only_the_worker_at_fault_is_quoted(kind: str, want: int) -> None:
    pod = make.pod(1, status=make.ended_pod(64, f'{{"class":"{kind}","message":"words"}}'))
    answer = explained(pod, status=make.failed_status())
    assert len(answer.workers) == 1
    assert answer.remedies == ("Worker 1: words",) * want


def test_what_the_kubelet_says_of_an_end_is_no_remedy() -> None:
    pod = make.pod(1, status=make.ended_pod(137, "The container could not be located"))
    assert explained(pod, status=make.failed_status()).remedies == ()


def test_a_worker_that_the_reason_quotes_is_not_quoted_again() -> None:
    told = '{"class":"ConfigError","message":"not found; did you mean \'resnet\'?"}'
    pod = make.pod(1, status=make.ended_pod(64, told))
    assert explained(pod, status=make.failed_status()).remedies == ()


def test_a_job_that_will_never_fit_is_told_to_ask_for_less() -> None:
    never = make.condition("Placed", "False", "Unsatisfiable", "only 2 would ever fit")
    answer = explained(status=make.waiting_status(conditions=[never]))
    assert answer.why == ("only 2 would ever fit",)
    assert "fewer trainer.workers" in answer.remedies[0]


def test_workers_without_trouble_are_left_out() -> None:
    assert explained(make.pod(0), status=make.running_status()).workers == ()


@pytest.mark.parametrize(
    ("reason", "want"),
    [
        ("QuotaUsed", "raised"),
        ("QuotaTooSmall", "fewer GPUs"),
        ("NoSuchQueue", "quartermaster.dev/queue"),
        ("Reserved", "activeDeadlineSeconds"),
    ],
)
def test_a_job_that_waits_for_its_queue_is_told_what_helps(reason: str, want: str) -> None:
    told = [make.condition("Placed", "False", reason, "because")]
    answer = explained(status=make.waiting_status(conditions=told))
    assert answer.why == ("because",)
    assert want in answer.remedies[0]
