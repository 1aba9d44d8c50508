"""`make demo` without its cluster: steps that fail, what is shown, what is summed up."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from devcluster.layout import Layout
from kubectl_qm import views
from kubectl_qm.errors import UnreachableError
from kubectl_qm.render.look import Look
from scripts.demo import artifacts, place, plan, screen, spot, steps, summary, training
from scripts.demo.errors import DemoError, StepError
from scripts.demo.place import Place
from tests.docs.pages import ROOT
from tests.support.qm_cluster import MemoryCluster
from tests.support.qm_make import NOW, failed_status, running_status, training_job, waiting_status

COMPLETE = running_status(
    state="Complete",
    cost={"total": "0.0236", "ratePerHour": "0", "currency": "USD", "priceSource": "aws: list"},
    result={
        "modelUri": "pvc://digits-artifacts/digits-96f2d63b/model/model.safetensors",
        "durationSeconds": 73,
    },
)


class Heard:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def heard(self, line: str) -> None:
        self.lines.append(line)


class Clock:
    """Time that moves by a second a look."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def where(tmp_path: Path) -> Place:
    places = Layout(ROOT, tmp_path / "state", tmp_path / "cache", tmp_path / "run")
    places.state.mkdir()
    images = {name: f"127.0.0.1:5000/quartermaster/{name}:abc" for name in ("operator", "trainer")}
    places.images_file.write_text(json.dumps(images))
    return Place("local", places, "/bin")


def python(program: str, **more: Any) -> steps.Step:
    return steps.Step("it", "It", (sys.executable, "-c", program), "try again", **more)


def run(step: steps.Step, tmp_path: Path) -> list[str]:
    heard = Heard()
    steps.run(step, tmp_path / "logs" / "it.log", {}, heard)
    return heard.lines


def test_a_step_is_heard_line_by_line_without_other_clocks(tmp_path: Path) -> None:
    assert run(python("print('[  1.2s] etcd ready'); print(); print('up')"), tmp_path) == [
        "etcd ready",
        "up",
    ]
    assert (tmp_path / "logs/it.log").read_text() == "[  1.2s] etcd ready\n\nup\n"


def test_a_step_is_fed_and_has_the_last_word(tmp_path: Path) -> None:
    step = python("print(input().upper())", stdin="abc\n", done="done")
    assert run(step, tmp_path) == ["ABC", "done"]


def test_a_step_that_fails_names_its_words_its_log_and_what_to_do(tmp_path: Path) -> None:
    program = "import sys; sys.exit('error: no room on the disk')"
    with pytest.raises(StepError) as caught:
        run(python(program, done="done"), tmp_path)
    assert str(caught.value) == (
        f"It failed: no room on the disk\n  log: {tmp_path}/logs/it.log\n  what to do: try again"
    )


def test_a_step_without_its_program_says_which(tmp_path: Path) -> None:
    missing = steps.Step("it", "It", ("no-such-program",), "try again")
    with pytest.raises(DemoError, match="It failed: no-such-program is not installed"):
        run(missing, tmp_path)


def test_an_unknown_kind_of_cluster_is_refused() -> None:
    with pytest.raises(DemoError, match="CLUSTER=minikube is none of local, kind, existing"):
        place.from_environment({"CLUSTER": "minikube"})


def test_a_cluster_of_yours_needs_your_programs(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="kubectl is not installed"):
        place.from_environment({"CLUSTER": "existing", "PATH": str(tmp_path)})


def test_images_that_were_not_built_are_missed(where: Place) -> None:
    where.layout.images_file.unlink()
    with pytest.raises(DemoError, match="run `make images`"):
        list(plan.installation(where))


def test_the_plan_uses_the_images_that_were_built(where: Place) -> None:
    (helm,) = [step for step in plan.installation(where) if step.name == "operator"]
    assert "--set-string=image.repository=127.0.0.1:5000/quartermaster/operator" in helm.argv
    assert "--set-string=image.tag=abc" in helm.argv
    assert "--set-string=trainer.image=127.0.0.1:5000/quartermaster/trainer:abc" in helm.argv


def test_example_prices_stay_away_from_a_cluster_of_yours(where: Place) -> None:
    yours = Place("existing", where.layout, "/bin")
    assert "prices" in [step.name for step in plan.installation(where)]
    assert "prices" not in [step.name for step in plan.installation(yours)]


def test_kind_is_reached_by_its_context(where: Place) -> None:
    assert Place("kind", where.layout, "/bin").kubectl("get")[1] == "--context=kind-quartermaster"


def watched(
    cluster: MemoryCluster, on_look: Callable[[int], None] = lambda look: None
) -> tuple[views.Job | None, str, DemoError | None]:
    """The job at the end, what was written, and the error if there was one."""
    clock, looks = Clock(), [0]

    def look() -> None:
        looks[0] += 1
        on_look(looks[0])

    cluster.on_get = look
    written = io.StringIO()
    shown = screen.Lines(Console(file=written, width=200), clock)
    shown.begin("Training")
    eyes = training.Eyes(cluster, lambda: NOW, clock, clock.sleep)
    try:
        return training.watch(eyes, shown, Look(100)), written.getvalue(), None
    except DemoError as error:
        return None, written.getvalue(), error


def cluster_with(status: dict[str, Any]) -> MemoryCluster:
    return MemoryCluster(jobs=[training_job(namespace="demo", status=status)])


def test_the_story_of_a_job_is_told_once_each(where: Place) -> None:
    cluster = cluster_with(waiting_status())
    states = {3: running_status(), 6: COMPLETE}

    def on_look(look: int) -> None:
        if look in states:
            cluster.jobs[0] = training_job(namespace="demo", status=states[look])

    job, written, error = watched(cluster, on_look)
    assert error is None
    assert job is not None
    assert job.state == "Complete"
    assert [line.split("Training: ")[1] for line in written.splitlines()] == [
        "Waiting, needs 2 x 1 GPU, 1 GPU is free: waits until job vision ends or a node is added",
        "Running, step 270 of 600, loss 0.31, accuracy 0.93, 0.5865 USD, 38s left",
        "Complete, step 270 of 600, loss 0.31, accuracy 0.93, 0.0236 USD",
    ]


def test_a_job_that_failed_ends_the_demonstration_with_its_reason() -> None:
    _, _, error = watched(cluster_with(failed_status()))
    assert "the job failed: ConfigError: worker 1: ConfigError" in str(error)
    assert "what to do: kubectl qm explain digits -n demo" in str(error)


def test_a_job_that_never_ends_is_given_up_with_what_it_waits_for() -> None:
    _, _, error = watched(cluster_with(waiting_status()))
    assert "the job is Waiting after 20 minutes: needs 2 x 1 GPU" in str(error)


def test_a_cluster_that_is_away_for_a_while_is_waited_for() -> None:
    cluster = cluster_with(COMPLETE)

    def on_look(look: int) -> None:
        gone = UnreachableError("the cluster cannot be reached")
        cluster.refusal = gone if look < training.PATIENCE else None

    job, _, error = watched(cluster, on_look)
    assert error is None
    assert job is not None


def test_a_cluster_that_stays_away_is_given_up() -> None:
    cluster = cluster_with(COMPLETE)
    cluster.refusal = UnreachableError("the cluster cannot be reached")
    _, _, error = watched(cluster)
    assert str(error) == "the job cannot be seen any more: the cluster cannot be reached"


def test_the_summary_has_the_result_and_the_way_on(where: Place) -> None:
    job = views.job(training_job(namespace="demo", status=COMPLETE))
    written = io.StringIO()
    story = summary.Story(job, ["  12  model/config.json"])
    page = summary.page(where, story, 95)
    Console(file=written, width=110, markup=False, emoji=False, highlight=False).print(page)
    text = written.getvalue()
    for want in (
        "make demo took 1m35s",
        "93.0 % of the test images",
        "812 samples/s over all workers",
        "1m13s from the first worker's start to the end",
        "0.0236 USD",
        "aws: list",
        "node-1, node-2",
        "pvc://digits-artifacts/digits-96f2d63b/model/model.safetensors",
        "model/config.json",
        f"export KUBECONFIG={where.layout.kubeconfig}",
        "make cluster-down",
    ):
        assert want in text, want


def test_the_summary_tells_what_an_interruption_cost_and_what_spot_saved(where: Place) -> None:
    moved = views.job(training_job("digits-spot", namespace="demo", status=running_status()))
    told = summary.Moved(moved, ("qm-spot", "qm-ondemand"))
    found = dict(summary.interruption(told))
    assert found["Nodes"] == "qm-spot -> qm-ondemand"
    assert found["Lost work"].startswith("0.0850 USD")
    assert found["Spot saved"].startswith("0.7735 USD")
    written = io.StringIO()
    page = summary.page(where, summary.Story(moved, [], told), 95)
    Console(file=written, width=110, markup=False, emoji=False, highlight=False).print(page)
    assert "digits-spot lost its node in the middle" in written.getvalue()


def test_a_node_is_taken_away_once_and_given_back() -> None:
    asked: list[tuple[str, ...]] = []
    reclaim = spot.Reclaim(lambda *words: asked.append(words))
    early = running_status(progress={"step": spot.FIRST_STEPS - 1, "totalSteps": 9999})
    for status in (early, running_status(progress={"step": spot.FIRST_STEPS, "totalSteps": 9999})):
        for _ in range(2):
            reclaim.seen(views.job(training_job(namespace="demo", status=status)))
    assert [words[:3] for words in asked] == [("taint", "node", "node-1")]
    moved = running_status(placement={"nodes": ["node-9"], "reason": "the only one"})
    reclaim.seen(views.job(training_job(namespace="demo", status=moved)))
    assert reclaim.places == ["node-1", "node-2", "node-9"]
    reclaim.give_back()
    assert asked[-1][-1] == f"{spot.NOTICE}:NoSchedule-"


def test_a_summary_without_figures_says_unknown(where: Place) -> None:
    job = views.job(training_job(namespace="demo", status={"state": "Complete"}))
    found = dict(summary.facts(job))
    assert found["Accuracy"] == "unknown"
    assert found["Throughput"] == "unknown"
    assert found["Cost"] == "unknown: no ComputePool gives these nodes a price"


def test_the_folder_of_a_run_comes_from_its_model() -> None:
    job = views.job(training_job(namespace="demo", status=COMPLETE))
    assert artifacts.run_folder(job) == ("digits-artifacts", "digits-96f2d63b")


def test_a_job_without_a_result_has_no_folder() -> None:
    job = views.job(training_job(namespace="demo", status=running_status()))
    with pytest.raises(DemoError, match="does not say where its model is"):
        artifacts.run_folder(job)


def test_the_board_draws_steps_job_and_failure() -> None:
    clock, written = Clock(), io.StringIO()
    console = Console(file=written, width=60, height=20, force_terminal=True, color_system=None)
    board = screen.Board(console, clock)
    board.__enter__()
    board.begin("Cluster")
    board.heard("up")
    clock.sleep(2)
    board.begin("Training")
    board.show_job("the page", "Running", "5s")
    board.__exit__(DemoError, DemoError("broken"), None)
    last = written.getvalue().rsplit("Quartermaster demo", 1)[1]
    assert "✓  Cluster      2.0s  up" in last
    assert "✗  Training     0.0s  Running, 5s left" in last
    assert "the page" in last
