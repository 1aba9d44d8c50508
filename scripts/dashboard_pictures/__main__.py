"""Draw the dashboards into docs/images/dashboards, from jobs that run for it or from a Prometheus.

``make dashboards-pictures`` runs jobs of two teams on the development cluster for MINUTES (16),
under a Prometheus of its own. With PROMETHEUS=http://... it only draws what that one has.

It needs node, npm, which fetches Grafana's components once (about 600 MB, into the cache), and
chromium.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dashboards import BOARDS
from dashboards.board import Board
from devcluster.command import run
from devcluster.errors import DevclusterError
from devcluster.prometheus import prometheus, scrape
from quartermaster.metrics import PREFIX
from scripts.dashboard_pictures.draw import Asked, draw
from scripts.dashboard_pictures.play import SEEN_S, VISION, Round, Teams

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images" / "dashboards"
NAMESPACE = "quartermaster-system"
NOT_HERE = f"{PREFIX}job_gpu_busy_ratio"
"""What no job on the development cluster has: its GPUs are pretended, and have no counters."""


def main() -> int:
    """Returns the exit code: 1 where a panel has no data or was not drawn as it is."""
    arguments = _arguments()
    names = arguments.board or [board.name for board in BOARDS]
    try:
        if arguments.prometheus:
            given = dict(one.split("=", 1) for one in arguments.var)
            asked = Asked(arguments.prometheus, arguments.start, arguments.end, given)
            faults = _draw(asked, names, arguments.folder)
        else:
            faults = _play_and_draw(arguments.minutes, names, arguments.folder)
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where to put NAME.png")
    parser.add_argument("--board", action="append", choices=[board.name for board in BOARDS])
    parser.add_argument("--minutes", type=float, default=16.0, help="how long jobs are run")
    parser.add_argument("--prometheus", help="draw what this one has: http://127.0.0.1:9090")
    parser.add_argument("--start", help="with --prometheus: seconds since 1970, or now-1h")
    parser.add_argument("--end", help="with --prometheus: seconds since 1970, or now")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def _play_and_draw(minutes: float, boards: list[str], folder: Path) -> int:
    environment = dict(os.environ)
    teams = Teams(environment)
    with tempfile.TemporaryDirectory() as data:
        operator = scrape(_operator(environment))
        with prometheus(Path(data), operator) as address:
            began = time.time()
            teams.set_up()
            try:
                last = _play(teams, minutes)
                time.sleep(SEEN_S)
                return _draw_round(address, began, last, boards, folder)
            finally:
                teams.clear_away()


def _play(teams: Teams, minutes: float) -> Round:
    end, number = time.monotonic() + 60 * minutes, 1
    last = teams.round(number)
    while time.monotonic() < end:
        number += 1
        last = teams.round(number)
        print(f"round {number} is over", file=sys.stderr)
    return last


def _draw_round(address: str, began: float, last: Round, boards: list[str], folder: Path) -> int:
    """Draw all up to a moment at which jobs run and wait; of one job, its own life."""
    one = {"namespace": VISION, "job": last.job}
    life = Asked(address, _second(last.began - SEEN_S), _second(last.again), one)
    until = Asked(address, _second(began), _second(last.busy))
    faults = _draw(life, [name for name in boards if name == "job"], folder)
    return faults + _draw(until, [name for name in boards if name != "job"], folder)


def _second(moment: float) -> str:
    return str(int(moment))


def _draw(asked: Asked, boards: list[str], folder: Path) -> int:
    """Returns how many panels are empty or were not drawn as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    faults = 0
    for board in BOARDS:
        if board.name in boards:
            picture = folder / f"{board.name}.png"
            expected = without_counters(board)
            told = [line for line in draw(board, asked, picture) if line not in expected]
            faults += len(told)
            for line in told:
                print(f"{board.name}: {line}", file=sys.stderr)
    return faults


def without_counters(board: Board) -> set[str]:
    """What is told of panels that show nothing but GPUs' own counters."""
    panels: list[dict[str, Any]] = json.loads(board.text())["panels"]
    return {
        f"{panel['title']}: no data"
        for panel in panels
        if panel["type"] != "row" and all(NOT_HERE in one["expr"] for one in panel["targets"])
    }


def _operator(environment: Mapping[str, str]) -> str:
    """The address of the operator's metrics."""
    chosen = ("-l", "app.kubernetes.io/component=operator", "-o")
    form = "jsonpath={.items[0].spec.clusterIP}"
    asked = ["kubectl", "-n", NAMESPACE, "get", "services", *chosen, form]
    return f"{run(asked, env=environment)}:9090"


if __name__ == "__main__":
    sys.exit(main())
