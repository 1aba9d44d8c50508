"""The deadline benchmark on some of its windows: none missed, and cheaper than both peers."""

import pytest

from benchmarks import spot_traces
from benchmarks.spot_deadline import run_all
from benchmarks.spot_results import PEERS, document, verdict
from benchmarks.spot_traces import SETTINGS

pytestmark = pytest.mark.skipif(
    not (spot_traces.folder() / "cbl-real-traces").is_dir(), reason="the data folder is not there"
)


def test_on_every_twentieth_window_none_is_missed_and_both_peers_cost_more() -> None:
    found = run_all(spot_traces.published()[::20], lambda _: None)
    for setting in SETTINGS:
        assert all(it.met for it in found.outcomes["ours", setting])
        for peer in PEERS:
            assert found.ratio("ours", setting) < found.ratio(peer, setting)
        assert found.ratio("ours", setting) >= 1
    assert verdict(found)[0] == "- Deadlines missed: 0 of 120."
    assert "| 70 h, 0.20 h | Quartermaster |" in document(found, found, "command")


def test_windows_are_as_published() -> None:
    windows = spot_traces.published()
    assert len(windows) == 600
    assert {len(it.available) for it in windows} == {spot_traces.WINDOW_STEPS}
    scarce = [it.available for it in windows if it.series == "us-west-2b_k80_1"]
    assert 0.2 < sum(map(sum, scarce)) / sum(map(len, scarce)) < 0.23
