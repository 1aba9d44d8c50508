"""Logs of several workers: who writes when, which life of which pod."""

import queue
from collections.abc import Iterator

import pytest

from kubectl_qm import logs, workers
from kubectl_qm.cluster import LogRequest
from kubectl_qm.errors import NotFoundError, UsageError
from kubectl_qm.logs import Followed, Line, followed
from kubectl_qm.workers import Worker
from tests.support import qm_make as make
from tests.support.qm_cluster import MemoryCluster
from tests.unit.cli.conftest import Screen


def cluster(**status: object) -> MemoryCluster:
    job = make.training_job(status=make.running_status(**status))
    return MemoryCluster(
        jobs=[job],
        pods=[make.pod(0, job=job), make.pod(1, job=job)],
        logs={
            "digits-0-abcde": [
                "2026-11-23T09:51:00.1Z zero starts",
                "2026-11-23T09:51:02Z zero ends",
            ],
            "digits-1-abcde": ["2026-11-23T09:51:00.15Z one starts", "2026-11-23T09:51:03Z "],
        },
    )


def test_the_first_worker_is_meant_when_none_is_named() -> None:
    screen = Screen(cluster())
    screen.run("logs", "digits")
    assert screen.out == "zero starts\nzero ends\n"
    assert screen.err == "worker 0 of 2; --all shows every worker\n"


def test_several_workers_are_merged_by_time_and_prefixed() -> None:
    screen = Screen(cluster())
    screen.run("logs", "digits", "--all")
    assert screen.out == (
        "worker-0 | zero starts\nworker-1 | one starts\nworker-0 | zero ends\nworker-1 | \n"
    )


def test_a_fraction_whose_zeros_were_dropped_is_sorted_right() -> None:
    screen = Screen(cluster())
    screen.cluster.logs = {
        "digits-0-abcde": ["2026-11-23T09:51:00.5Z late"],
        "digits-1-abcde": ["2026-11-23T09:51:00.25Z early", "2026-11-23T09:51:01Z last"],
    }
    screen.run("logs", "digits", "--all")
    assert [line.split()[-1] for line in screen.out.splitlines()] == ["early", "late", "last"]


def test_only_the_last_lines_of_each() -> None:
    screen = Screen(cluster())
    screen.run("logs", "digits", "--all", "--tail", "1")
    assert screen.out == "worker-0 | zero ends\nworker-1 | \n"


def test_no_lines_at_all_is_a_tail_too() -> None:
    screen = Screen(cluster())
    screen.run("logs", "digits", "--tail", "0")
    assert screen.out == ""


@pytest.mark.parametrize(
    ("words", "fault", "want"),
    [
        ("--worker 2", NotFoundError, "has no worker 2: they go from 0 to 1"),
        ("--previous", NotFoundError, "no worker of 'digits' had an earlier life"),
        ("--previous -f", UsageError, "cannot be followed"),
    ],
)
def test_what_cannot_be_shown(words: str, fault: type[Exception], want: str) -> None:
    with pytest.raises(fault, match=want):
        Screen(cluster()).run("logs", "digits", *words.split())


def test_too_many_workers_are_refused() -> None:
    job = make.training_job(spec={"trainer": {"workers": 65}}, status=make.running_status())
    with pytest.raises(UsageError, match="65 workers are too many to read at once"):
        Screen(MemoryCluster(jobs=[job])).run("logs", "digits", "--all")


def test_a_worker_that_has_not_started_is_named_and_the_others_shown() -> None:
    screen = Screen(cluster())
    screen.cluster.pods[1] = make.pod(1, status={"phase": "Pending"})
    screen.run("logs", "digits", "--all")
    assert screen.out == "worker-0 | zero starts\nworker-0 | zero ends\n"
    assert screen.err == "worker-1: not started yet (Pending)\n"


@pytest.mark.parametrize(
    ("state", "want"),
    [("Waiting", "has no worker pods yet"), ("Complete", "gone, and their logs with them")],
)
def test_no_pods_at_all(state: str, want: str) -> None:
    screen = Screen(cluster(state=state))
    screen.cluster.pods.clear()
    with pytest.raises(NotFoundError, match=want):
        screen.run("logs", "digits")


def test_the_life_before_the_last_restart() -> None:
    screen = Screen(cluster())
    screen.cluster.pods[0] = make.pod(0, status=make.running_pod(restarts=1))
    screen.cluster.logs["digits-0-abcde/previous"] = ["2026-11-23T09:50:00Z before"]
    screen.run("logs", "digits", "--previous")
    assert screen.out == "before\n"


def test_the_pod_before_the_newest() -> None:
    screen = Screen(cluster())
    screen.cluster.pods.append(make.pod(0, name="older", age_s=900))
    screen.cluster.logs["older"] = ["2026-11-23T09:40:00Z before"]
    screen.run("logs", "digits", "--previous")
    assert screen.out == "before\n"


class Script:
    """A cluster whose workers write when the test says so."""

    def __init__(self) -> None:
        self.feeds: dict[str, queue.Queue[str | None]] = {}

    def feed(self, pod: str) -> "queue.Queue[str | None]":
        return self.feeds.setdefault(pod, queue.Queue())

    def stream_log(self, request: LogRequest) -> Iterator[str]:
        while (line := self.feed(request.pod).get(timeout=5)) is not None:
            yield line


def readers(script: Script) -> Followed:
    return Followed(
        script,  # type: ignore[arg-type]  # following asks for nothing but logs
        lambda worker: LogRequest(namespace="team-a", pod=worker.pod, follow=True),
    )


def test_lines_come_as_they_arrive() -> None:
    script = Script()
    pods = [workers.worker(make.pod(index, name=f"w{index}")) for index in range(2)]
    stream = followed(readers(script), lambda: (pods, True), poll_s=0.02)
    got = []
    for pod, text in (("w1", "a"), ("w0", "b"), ("w1", "c"), ("w1", "d"), ("w0", "e")):
        script.feed(pod).put(text)
        got.append(next(stream))
    assert got == [Line(1, "a"), Line(0, "b"), Line(1, "c"), Line(1, "d"), Line(0, "e")]
    script.feed("w0").put(None)
    script.feed("w1").put(None)
    assert list(stream) == []


def test_following_goes_on_with_the_pod_that_replaces_a_lost_one() -> None:
    script = Script()
    first = workers.worker(make.pod(0, name="first"))
    second = workers.worker(make.pod(0, name="second", age_s=1))
    for pod, text in (("first", "before"), ("second", "after")):
        script.feed(pod).put(text)
        script.feed(pod).put(None)
    looks: Iterator[tuple[list[Worker], bool]] = iter([([first], False), ([second], True)])
    last = ([second], True)
    stream = followed(readers(script), lambda: next(looks, last), poll_s=0.02)
    assert list(stream) == [Line(0, "before"), Line(0, "after")]


def test_a_restarted_container_is_read_again_and_none_twice() -> None:
    script = Script()
    lives = [workers.worker(make.pod(0, name="w", status=make.running_pod(n))) for n in (0, 0, 1)]
    for text in ("one", None, "two", None):
        script.feed("w").put(text)
    looks = iter([([life], life.restarts == 1) for life in lives])
    last = ([lives[-1]], True)
    stream = followed(readers(script), lambda: next(looks, last), poll_s=0.02)
    assert list(stream) == [Line(0, "one"), Line(0, "two")]


def test_following_until_the_end_of_the_job() -> None:
    screen = Screen(cluster(state="Complete"))
    screen.run("logs", "digits", "--all", "-f")
    assert sorted(screen.out.splitlines()) == [
        "worker-0 | zero ends",
        "worker-0 | zero starts",
        "worker-1 | ",
        "worker-1 | one starts",
    ]


def test_a_log_that_cannot_be_read_does_not_end_the_others() -> None:
    screen = Screen(cluster(state="Complete"))
    del screen.cluster.logs["digits-1-abcde"]
    screen.run("logs", "digits", "--all", "-f")
    assert "zero ends" in screen.out
    assert 'pods "digits-1-abcde" not found' in screen.err


def test_a_log_is_not_wrapped_or_cut() -> None:
    screen = Screen(cluster(), width=20)
    long = "x" * 500 + " [bold]kept[/bold]"
    screen.cluster.logs["digits-0-abcde"] = [f"2026-11-23T09:51:00Z {long}"]
    screen.run("logs", "digits")
    assert screen.out == long + "\n"


def test_reading_ahead_is_bounded() -> None:
    assert Followed(MemoryCluster(), lambda _: LogRequest("n", "p")).lines.maxsize == logs.BACKLOG
