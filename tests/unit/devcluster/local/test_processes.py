"""Processes are known again, and no stranger is ended."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from devcluster.errors import DevclusterError
from devcluster.layout import Layout
from devcluster.local import processes
from devcluster.local.processes import Component
from devcluster.progress import Progress


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path, tmp_path / "state", tmp_path / "cache", tmp_path / "run")


def sleeper(seconds: int = 60) -> Component:
    return Component("sleeper", ("sleep", str(seconds)), probe="unix:///nowhere")


@pytest.fixture
def started(layout):
    yield processes.start(layout, sleeper())
    processes.stop(layout, "sleeper", grace_s=1)


def test_a_started_component_is_known_again(layout, started):
    assert processes.running(layout, "sleeper") == started
    assert processes.recorded_names(layout) == ["sleeper"]


def test_starting_it_again_changes_nothing(layout, started):
    assert processes.start(layout, sleeper()) == started


def test_another_configuration_replaces_it(layout, started):
    replaced = processes.start(layout, sleeper(61))
    assert replaced.pid != started.pid
    assert processes.start_ticks(started.pid) != started.start_ticks


def test_stopping_ends_it_and_forgets_it(layout, started):
    assert processes.stop(layout, "sleeper", grace_s=1)
    assert processes.running(layout, "sleeper") is None
    assert not processes.stop(layout, "sleeper")


@pytest.mark.parametrize(
    "change",
    [{"boot": "another boot"}, {"start_ticks": 1}, {"pid": 2**22 + 1}],
    ids=["after the machine restarted", "the id was used again", "it has gone"],
)
def test_a_record_that_names_a_stranger_counts_as_not_running(layout, change):
    ticks = processes.start_ticks(os.getpid())
    record = {
        "pid": os.getpid(),
        "start_ticks": ticks,
        "boot": processes.boot_id(),
        "fingerprint": "f",
    }
    layout.records.mkdir(parents=True)
    (layout.records / "me.json").write_text(json.dumps({**record, **change}))
    assert processes.running(layout, "me") is None
    # Were it taken for ours, this would end the test run itself.
    assert not processes.stop(layout, "me")


def test_a_spoilt_record_counts_as_not_running(layout):
    layout.records.mkdir(parents=True)
    (layout.records / "me.json").write_text("{")
    assert processes.running(layout, "me") is None


def test_one_that_ends_at_once_is_reported_with_its_last_words(layout):
    script = "import sys; sys.exit('address already in use')"
    component = Component("broken", (sys.executable, "-c", script), probe="unix:///nowhere")
    processes.start(layout, component)
    with pytest.raises(DevclusterError, match="broken ended at once: address already in use"):
        processes.wait_ready(layout, [component], Progress(stream=io.StringIO()))


def test_configuration_is_written_before_the_start(layout):
    path = layout.config / "deep" / "file"
    component = Component("cat", ("cat", str(path)), "unix:///n", files={path: "hello"})
    record = processes.start(layout, component)
    while processes.start_ticks(record.pid) is not None:
        pass
    assert processes.log_file(layout, "cat").read_text() == "hello"


def test_a_process_that_never_was_has_no_start():
    assert processes.start_ticks(2**22 + 1) is None
    assert Path("/proc/self").exists()
