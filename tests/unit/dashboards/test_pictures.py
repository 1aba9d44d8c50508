from dashboards import BOARDS
from scripts.dashboard_pictures.__main__ import without_counters
from tests.support.boards import boards, panels


def test_two_panels_alone_may_be_empty_where_gpus_have_no_counters() -> None:
    found = {board.name: without_counters(board) for board in BOARDS}
    assert {name: told for name, told in found.items() if told} == {
        "job": {"Busy share of its GPUs: no data"},
        "training": {"GPUs' own word: busy: no data"},
    }


def test_every_kind_of_panel_can_be_drawn() -> None:
    kinds = {panel["type"] for board in boards().values() for panel in panels(board)}
    assert kinds == {"stat", "bargauge", "timeseries", "table"}
