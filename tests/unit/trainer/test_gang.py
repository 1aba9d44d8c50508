"""The gang as the environment describes it, and waiting for its worker 0."""

import itertools
import logging
import socket

import pytest

from qm_trainer.errors import ConfigError, PeerLost
from qm_trainer.launch import gang
from qm_trainer.launch.gang import Gang

PAIR = {
    "PET_NNODES": "2",
    "PET_NODE_RANK": "1",
    "PET_NPROC_PER_NODE": "4",
    "PET_MASTER_ADDR": "digits-0.digits",
    "PET_MASTER_PORT": "29500",
    "PET_RDZV_ID": "u",
}


def test_the_contracts_variables_are_read() -> None:
    assert Gang.from_environment(PAIR) == Gang(2, 1, 4, "digits-0.digits", 29500, "u")


def test_without_variables_there_is_one_worker() -> None:
    assert Gang.from_environment({}).nodes == 1


def test_the_index_of_the_job_stands_in_for_the_rank() -> None:
    pair = {name: value for name, value in PAIR.items() if name != "PET_NODE_RANK"}
    assert Gang.from_environment({**pair, "JOB_COMPLETION_INDEX": "1"}).node_rank == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PET_NNODES": "two"}, "PET_NNODES must be a whole number, not 'two'"),
        ({"PET_NODE_RANK": "2"}, "PET_NODE_RANK 2 is not below PET_NNODES 2"),
        ({"PET_MASTER_PORT": ""}, "PET_MASTER_ADDR and PET_MASTER_PORT must be set"),
    ],
)
def test_a_wrong_variable_is_named(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Gang.from_environment({**PAIR, **changes})


class Road:
    """A clock, a sleep and a worker 0 that answers after a while."""

    def __init__(self, answers_after: float) -> None:
        self.now, self.answers_after = 0.0, answers_after

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def probe(self, host: str, port: int) -> str:
        return "" if self.now >= self.answers_after else "its name is not in the DNS yet"


def wait(road: Road) -> None:
    gang.wait_for_leader(
        "digits-0.digits", 29500, clock=road.clock, sleep=road.sleep, probe=road.probe
    )


def test_waiting_ends_when_worker_0_answers_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "qm_trainer"):
        wait(Road(answers_after=95.0))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4
    words = "waiting for worker 0 at digits-0.digits:29500: its name is not in the DNS yet (30 s)"
    assert said[0] == words
    assert said[-1] == "worker 0 at digits-0.digits:29500 answered after 1 min 35 s"


def test_waiting_ends_some_time() -> None:
    road = Road(answers_after=1e9)
    with pytest.raises(PeerLost, match=r"did not answer in 15 min 00 s: its name"):
        wait(road)
    assert road.now == 900.0


def test_a_real_port_answers_or_does_not() -> None:
    port = gang.free_port()
    seconds = itertools.count()
    with pytest.raises(PeerLost, match="connection refused"):
        gang.wait_for_leader(
            "127.0.0.1",
            port,
            wait_s=2.0,
            clock=lambda: float(next(seconds)),
            sleep=lambda _: None,
        )
    with socket.create_server(("127.0.0.1", port)):
        gang.wait_for_leader("127.0.0.1", port)
