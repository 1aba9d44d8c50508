"""Talking HTTP: pages, refusals, broken answers, lines that arrive in pieces."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes import client
from typing_extensions import override

from kubectl_qm.access.api_server import ApiServer
from kubectl_qm.access.kube import KubernetesCluster
from kubectl_qm.cluster import LogRequest
from kubectl_qm.errors import DeniedError, NotInstalledError, UnreachableError


class Answers(BaseHTTPRequestHandler):
    """Answers by path, and remembers what it was asked."""

    protocol_version = "HTTP/1.1"
    port = 0
    asked: list[tuple[str, dict[str, list[str]], str | None]] = []  # noqa: RUF012 - one a server
    pieces: list[bytes] = []  # noqa: RUF012

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        self.asked.append((parts.path, query, self.headers["authorization"]))
        if parts.path.endswith("/log"):
            self.send_pieces()
        elif parts.path.endswith("/computepools"):
            self.send_page(query)
        elif parts.path == "/html":
            self.send_text(200, "<html>")
        elif parts.path == "/list":
            self.send_text(200, "[]")
        elif parts.path == "/cut":
            self.send_text(200, "{}", length=1000)
        elif parts.path == "/denied":
            self.send_text(403, "no")
        else:
            self.send_text(404, "404 page not found")

    def send_page(self, query: dict[str, list[str]]) -> None:
        page = int(query.get("continue", ["0"])[0])
        metadata = {"continue": str(page + 1)} if page < 2 else {}
        self.send_text(200, json.dumps({"items": [{"page": page}], "metadata": metadata}))

    def send_pieces(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in self.pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def send_text(self, status: int, text: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text) if length is None else length))
        self.end_headers()
        self.wfile.write(text.encode())
        self.close_connection = length is not None

    @override
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def answers() -> Iterator[type[Answers]]:
    class Handler(Answers):
        asked = []  # noqa: RUF012
        pieces = []  # noqa: RUF012

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Handler
        server.shutdown()


@pytest.fixture
def server(answers: type[Answers]) -> ApiServer:
    configuration = client.Configuration(host=f"http://127.0.0.1:{answers.port}")
    configuration.api_key["authorization"] = "Bearer secret"
    return ApiServer(configuration)


def test_every_page_is_read_and_every_question_carries_the_token(
    server: ApiServer, answers: type[Answers]
) -> None:
    pools = KubernetesCluster(server, "team-a").list_pools()
    assert pools == [{"page": 0}, {"page": 1}, {"page": 2}]
    assert [query["limit"] for _, query, _ in answers.asked] == [["500"]] * 3
    assert {token for _, _, token in answers.asked} == {"Bearer secret"}


@pytest.mark.parametrize(
    ("path", "fault", "want"),
    [
        ("/html", UnreachableError, "is no Kubernetes API server"),
        ("/list", UnreachableError, "is no Kubernetes API server"),
        ("/cut", UnreachableError, "cannot be reached"),
        ("/denied", DeniedError, "not allowed: no"),
        ("/nothing", NotInstalledError, "helm install"),
    ],
)
def test_a_bad_answer_is_a_refusal(
    server: ApiServer, path: str, fault: type[Exception], want: str
) -> None:
    with pytest.raises(fault, match=want):
        server.get(path)


@pytest.mark.parametrize(
    ("pieces", "want"),
    [
        pytest.param([b"a\nb\n"], ["a", "b"], id="several in one"),
        pytest.param([b"a", b"b\nc", b"\n"], ["ab", "c"], id="one in several"),
        pytest.param(["ä\n".encode()[:1], "ä\n".encode()[1:]], ["ä"], id="a letter in two"),
        pytest.param([b"a\r\n", b"no end"], ["a", "no end"], id="no end"),
        pytest.param([b"\xff\n"], ["�"], id="no text"),
        pytest.param([], [], id="nothing"),
        pytest.param([b"50%\r100%\n"], ["50%\r100%"], id="a bar that overwrites itself"),
    ],
)
def test_a_log_arrives_in_pieces_and_leaves_in_lines(
    server: ApiServer, answers: type[Answers], pieces: list[bytes], want: list[str]
) -> None:
    answers.pieces = pieces
    request = LogRequest("team-a", "digits-0", follow=True, tail=5)
    assert list(KubernetesCluster(server, "team-a").stream_log(request)) == want
    path, query, _ = answers.asked[0]
    assert path == "/api/v1/namespaces/team-a/pods/digits-0/log"
    assert query == {"container": ["trainer"], "follow": ["true"], "tailLines": ["5"]}
