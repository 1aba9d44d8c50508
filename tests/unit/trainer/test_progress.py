"""Progress against a real HTTP server: it arrives, spaced, and no trouble reaches training."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from qm_trainer import progress
from qm_trainer.progress import Client, Reporter


class Operator:
    """Answers as it is told, and remembers what came and when."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.times: list[float] = []
        self.answers: list[int] = []
        self.delay_s = 0.0
        self.words = b""
        """Said in every answer."""
        operator = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                operator.times.append(time.monotonic())
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operator.bodies.append(json.loads(body))
                operator.tokens.append(self.headers["Authorization"])
                time.sleep(operator.delay_s)
                usual = 200 if operator.words else 204
                self.send_response(operator.answers.pop(0) if operator.answers else usual)
                self.send_header("Content-Length", str(len(operator.words)))
                self.end_headers()
                self.wfile.write(operator.words)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/progress"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def operator() -> Iterator[Operator]:
    running = Operator()
    yield running
    running.stop()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5.0
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def test_a_report_arrives_whole_with_its_token(operator: Operator, token: Path) -> None:
    clock = iter([100.0, 107.5])
    reporter = Reporter(Client(operator.url, token, period_s=0.05), lambda: next(clock))
    reporter.stepping()
    reporter.report(state="Training", step=3, total_steps=10, loss=0.5, metrics={"accuracy": 0.9})
    reporter.close()
    assert operator.tokens == ["Bearer first"]
    assert operator.bodies[0] == {
        "schemaVersion": 1,
        "state": "Training",
        "step": 3,
        "totalSteps": 10,
        "epoch": 0,
        "loss": 0.5,
        "samplesPerSecond": None,
        "stepSeconds": None,
        "secondsRemaining": None,
        "steppingSeconds": 7.5,
        "metrics": {"accuracy": 0.9},
        "checkpoint": None,
        "model": None,
        "profile": None,
    }


def test_the_token_is_read_again_before_each_post(operator: Operator, token: Path) -> None:
    reporter = Reporter(Client(operator.url, token, period_s=0.01))
    reporter.report(step=1)
    until(lambda: len(operator.tokens) == 1)
    token.write_text("second")
    reporter.report(step=2)
    reporter.close()
    assert operator.tokens == ["Bearer first", "Bearer second"]


def test_posts_keep_their_distance_and_the_newest_wins(operator: Operator) -> None:
    reporter = Reporter(Client(operator.url, None, period_s=0.2))
    for step in range(60):
        reporter.report(step=step)
        time.sleep(0.01)
    reporter.close()
    gaps = [b - a for a, b in zip(operator.times, operator.times[1:], strict=False)]
    assert all(gap > 0.15 for gap in gaps[:-1])
    assert operator.bodies[-1]["step"] == 59
    assert len(operator.bodies) <= 6


def test_what_is_not_finite_is_null_and_metrics_are_few(operator: Operator) -> None:
    reporter = Reporter(Client(operator.url, None, period_s=0.01))
    many = {f"m{i}": float("inf") if i == 0 else float(i) for i in range(40)}
    reporter.report(step=1, loss=float("nan"), metrics=many)
    reporter.close()
    assert operator.bodies[0]["loss"] is None
    assert operator.bodies[0]["metrics"]["m0"] is None
    assert len(operator.bodies[0]["metrics"]) == 16


def test_the_last_report_is_tried_again(operator: Operator) -> None:
    operator.answers = [429, 500]
    reporter = Reporter(Client(operator.url, None, period_s=0.02))
    reporter.report(state="Done", step=9)
    reporter.close()
    assert [body["state"] for body in operator.bodies] == ["Done"] * 3


def test_too_fast_makes_it_slower(operator: Operator) -> None:
    operator.answers = [429]
    reporter = Reporter(Client(operator.url, None, period_s=0.15))
    reporter.report(step=1)
    until(lambda: len(operator.times) == 1)
    reporter.report(step=2)
    until(lambda: len(operator.times) == 2)
    reporter.close()
    assert operator.times[1] - operator.times[0] > 0.29


def test_a_slow_operator_does_not_slow_training(operator: Operator) -> None:
    operator.delay_s = 0.5
    reporter = Reporter(Client(operator.url, None, period_s=0.01))
    began = time.monotonic()
    for step in range(1000):
        reporter.report(step=step)
    assert time.monotonic() - began < 0.25
    reporter.close()
    assert operator.bodies[-1]["step"] == 999


def test_no_operator_costs_one_line_and_no_training(caplog: pytest.LogCaptureFixture) -> None:
    client = Client("http://127.0.0.1:9/v1/progress", None, period_s=0.01, timeout_s=0.5)
    for step in range(20):
        client.send({"step": step})
        time.sleep(0.01)
    client.close(timeout_s=0.1)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"progress was not delivered ({said[0].split('(')[1].split(')')[0]}); training goes on"
    ]


def test_trouble_that_ends_is_said_to_have_ended(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    operator.answers = [401]
    caplog.set_level("INFO", "qm_trainer.progress")
    client = Client(operator.url, None, period_s=0.01)
    client.send({"step": 1})
    until(lambda: len(operator.bodies) == 1)
    client.send({"step": 2})
    client.close()
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "progress was not delivered (HTTP 401); training goes on"
    assert said[1] == "progress is delivered again"


def test_only_rank_0_of_a_watched_job_reports(operator: Operator) -> None:
    watched = {"QM_PROGRESS_URL": operator.url}
    for environment in ({}, {**watched, "RANK": "1"}):
        reporter = progress.from_environment(environment)
        reporter.report(step=1)
        reporter.close()
    assert operator.bodies == []


SCRIPT = """
from qm_trainer import progress
import sys
for step in range(3):
    progress.report(step=step + 1, total_steps=3, loss=1.0 / (step + 1))
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("watched", [True, False])
def test_a_script_of_ones_own_reports_by_one_import(operator: Operator, watched: bool) -> None:
    url = {"QM_PROGRESS_URL": operator.url} if watched else {}
    environment = {"PYTHONPATH": str(Path(progress.__file__).parents[1]), **url}
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, env=environment, timeout=60)
    assert [body["step"] for body in operator.bodies][-1:] == ([3] if watched else [])


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (b'{"meanSecondsBetweenInterruptions": 700}', 700.0),
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'{"meanSecondsBetweenInterruptions": "soon"}', None),
        (b'{"meanSecondsBetweenInterruptions": NaN}', None),
        (b'{"meanSecondsBetweenInterruptions": 0}', None),
    ],
)
def test_how_long_spot_lasts_is_heard_in_the_answer(
    operator: Operator, token: Path, words: bytes, want: float | None
) -> None:
    operator.words = words
    reporter = Reporter(Client(operator.url, token))
    reporter.report(step=1)
    until(lambda: len(operator.bodies) == 1)
    if want is not None:
        until(lambda: reporter.mean_between_interruptions_s == want)
    assert reporter.mean_between_interruptions_s == want
    reporter.close()
