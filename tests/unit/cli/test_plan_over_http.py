"""`kubectl qm plan` from the command line to an API server on the loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typing_extensions import override

from kubectl_qm.__main__ import main
from tests.support import qm_plan as make
from tests.unit.cli.test_main import kubeconfig

OURS = "/apis/quartermaster.dev/v1alpha1"


class Lists(BaseHTTPRequestHandler):
    """Answers each list; a path in `forbidden` is refused as an API server does."""

    lists: dict[str, list[Any]] = {}  # noqa: RUF012 - one a server
    forbidden: set[str] = set()  # noqa: RUF012

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path in self.forbidden:
            resource = path.rpartition("/")[2]
            message = (
                f'{resource} is forbidden: User "ann" cannot list resource "{resource}" in API '
                'group "" at the cluster scope'
            )
            self.answer(403, {"kind": "Status", "message": message})
        elif path in self.lists:
            self.answer(200, {"items": self.lists[path], "metadata": {}})
        else:
            self.answer(404, {"kind": "Status", "message": "not found"})

    def answer(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    @override
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Lists]]]:
    cluster = make.cluster()

    class Handler(Lists):
        forbidden = set()  # noqa: RUF012
        lists = {  # noqa: RUF012
            "/api/v1/nodes": cluster.nodes,
            "/api/v1/namespaces": cluster.namespaces,
            "/api/v1/pods": cluster.pods,
            f"{OURS}/trainingjobs": cluster.jobs,
            f"{OURS}/computepools": cluster.pools,
            f"{OURS}/computequeues": cluster.queues,
            "/apis/apps/v1/deployments": cluster.operators,
        }

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", Handler
        running.shutdown()


def plan(tmp_path: Path, host: str, text: str) -> int:
    file = tmp_path / "job.yaml"
    file.write_text(text)
    return main(["plan", "-f", str(file), "--kubeconfig", kubeconfig(tmp_path, host)])


def test_a_plan_is_made_of_what_the_server_lists(
    tmp_path: Path, server: tuple[str, type[Lists]], capsys: pytest.CaptureFixture[str]
) -> None:
    host, _ = server
    assert plan(tmp_path, host, make.job(more=make.COSTS)) == 0
    shown = capsys.readouterr()
    assert "new  ● would start now\nnamespace team-a" in shown.out
    assert "on a100-0 (2)" in shown.out
    assert shown.err == ""
    assert plan(tmp_path, host, make.job(queue="research", workers=12)) == 1


@pytest.mark.parametrize("path", ["nodes", "pods"])
def test_who_may_not_list_nodes_is_told_which_rights_a_plan_needs(
    tmp_path: Path, server: tuple[str, type[Lists]], capsys: pytest.CaptureFixture[str], path: str
) -> None:
    host, handler = server
    handler.forbidden = {f"/api/v1/{path}"}
    assert plan(tmp_path, host, make.job()) == 2
    error = capsys.readouterr().err
    assert error == (
        f"error: not allowed: ann may not list {path} in the whole cluster; ask for a role that "
        "grants it; a plan sees what the operator sees: list on nodes, namespaces, pods, "
        "trainingjobs, computepools and computequeues in the whole cluster\n"
    )


def test_a_server_without_quartermaster_is_told_apart(
    tmp_path: Path, server: tuple[str, type[Lists]], capsys: pytest.CaptureFixture[str]
) -> None:
    host, handler = server
    del handler.lists[f"{OURS}/trainingjobs"]
    assert plan(tmp_path, host, make.job()) == 3
    assert "Quartermaster is not installed" in capsys.readouterr().err


def test_a_server_whose_deployments_are_not_ours_to_see_still_gives_a_plan(
    tmp_path: Path, server: tuple[str, type[Lists]], capsys: pytest.CaptureFixture[str]
) -> None:
    host, handler = server
    handler.forbidden = {"/apis/apps/v1/deployments"}
    assert plan(tmp_path, host, make.job()) == 0
    assert "note: the operator's settings could not be seen" in capsys.readouterr().err
