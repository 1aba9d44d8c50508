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
from scripts.dashboard_pictures.play import VISION, Teams

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images" / "dashboards"
NAMESPACE = "quartermaster-system"
NOT_HERE = f"{PREFIX}job_gpu_busy_ratio"
"""What no job on the development cluster has: its GPUs are pretended, and have no counters."""
_SETTLE_S = 15.0
"""From the end of the last job until its last figures were scraped [s]."""


def main() -> int:
    """Returns the exit code: 1 where a panel has no data or was not drawn as it is."""
    arguments = _arguments()
    if arguments.prometheus:
        given = dict(one.split("=", 1) for one in arguments.var)
        asked = Asked(arguments.prometheus, arguments.start, arguments.end, given)
        return _draw(asked, arguments.board, arguments.folder)
    try:
        return _play_and_draw(arguments.minutes, arguments.board, arguments.folder)
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


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


def _play_and_draw(minutes: float, boards: list[str] | None, folder: Path) -> int:
    environment = dict(os.environ)
    teams = Teams(environment)
    with tempfile.TemporaryDirectory() as data:
        operator = scrape(_operator(environment))
        with prometheus(Path(data), operator) as address:
            began = time.time()
            teams.set_up()
            try:
                job = _play(teams, minutes)
                time.sleep(_SETTLE_S)
                chosen = {"namespace": VISION, "job": job}
                asked = Asked(address, str(int(began)), str(int(time.time())), chosen)
                return _draw(asked, boards, folder)
            finally:
                teams.clear_away()


def _play(teams: Teams, minutes: float) -> str:
    end, number, job = time.monotonic() + 60 * minutes, 0, ""
    while not job or time.monotonic() < end:
        number += 1
        job = teams.round(number)
        print(f"round {number} is over", file=sys.stderr)
    return job


def _draw(asked: Asked, boards: list[str] | None, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    faults = 0
    for board in BOARDS:
        if not boards or board.name in boards:
            # Only the dashboard of one job is about one namespace.
            chosen = asked.variables if "job" in board.names else {}
            picture = folder / f"{board.name}.png"
            expected = _without_counters(board)
            told = draw(board, Asked(asked.address, asked.start, asked.end, chosen), picture)
            told = [line for line in told if line not in expected]
            faults += len(told)
            for line in told:
                print(f"{board.name}: {line}", file=sys.stderr)
    return 1 if faults else 0


def _without_counters(board: Board) -> set[str]:
    """What is told of panels that show nothing but GPUs' own counters."""
    panels: list[dict[str, Any]] = json.loads(board.text())["panels"]
    return {
        f"{panel['title']}: no data"
        for panel in panels
        if all(NOT_HERE in target["expr"] for target in panel.get("targets", []))
    }


def _operator(environment: Mapping[str, str]) -> str:
    """The address of the operator's metrics."""
    chosen = ("-l", "app.kubernetes.io/component=operator", "-o")
    form = "jsonpath={.items[0].spec.clusterIP}"
    asked = ["kubectl", "-n", NAMESPACE, "get", "services", *chosen, form]
    return f"{run(asked, env=environment)}:9090"


if __name__ == "__main__":
    sys.exit(main())
