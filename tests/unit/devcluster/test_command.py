"""Calling programs: failures name the program and its last words."""

import io

import pytest

from devcluster.command import run, run_logged, succeeds
from devcluster.errors import CommandError
from devcluster.progress import Progress


def test_a_failure_names_the_program_its_code_and_its_last_words():
    with pytest.raises(CommandError, match=r"sh -c .* ended with 3: it broke"):
        run(["sh", "-c", "echo it broke >&2; exit 3"])


def test_a_missing_program_is_said_to_be_missing():
    with pytest.raises(CommandError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_success_is_told_from_failure():
    assert succeeds(["true"])
    assert not succeeds(["false"])


def test_a_logged_failure_names_its_log(tmp_path):
    log = tmp_path / "deep" / "build.log"
    with pytest.raises(CommandError, match="oh no") as failure:
        run_logged(
            ["sh", "-c", "echo oh no; exit 1"],
            log=log,
            what="building",
            progress=Progress(stream=io.StringIO()),
        )
    assert str(log) in str(failure.value)


def test_progress_counts_from_its_own_start():
    times, out = iter([100.0, 112.34]), io.StringIO()
    Progress(clock=lambda: next(times), stream=out).say("etcd ready")
    assert out.getvalue() == "[  12.3s] etcd ready\n"
