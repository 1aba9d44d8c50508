"""SeaweedFS as a real S3 server on loopback, and a line to it that can be made bad."""

import http.client
import json
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BUCKET = "runs"
KEY, SECRET = "test-key", "test-secret-4711"
START_S = 60.0
GRPC = ("master", "volume", "filer")


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def weed() -> str | None:
    """The server's program; it comes with the test requirements."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@contextmanager
def server(root: Path) -> Iterator[int]:
    """Run it with its data below `root`; gives the port of its S3."""
    program = weed()
    assert program is not None
    keys = {"accessKey": KEY, "secretKey": SECRET}
    actions = ["Admin", "Read", "Write", "List"]
    identity = {"name": "test", "credentials": [keys], "actions": actions}
    (root / "data").mkdir()
    (root / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = dict(
        zip((*GRPC, *(f"{n}.grpc" for n in GRPC), "s3", "s3.grpc"), free_ports(8), strict=True)
    )
    command = [
        *(program, f"-logdir={root}", "server", f"-dir={root / 'data'}"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"),
        *(f"-s3.config={root / 's3.json'}", f"-filer.localSocket={root / 'filer.sock'}"),
        *(
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-volume.max=64",
            "-master.volumeSizeLimitMB=32",
        ),
        *(f"-{name}.port={ports[name]}" for name in (*GRPC, "s3")),
        *(f"-{name}.port.grpc={ports[name + '.grpc']}" for name in (*GRPC, "s3")),
    ]
    with (root / "weed.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=root)
    try:
        _wait(ports["s3"], process, root / "weed.log")
        yield ports["s3"]
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it takes a bucket."""
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    store = S3Store(BUCKET, **options(port), retry_config={"max_retries": 0})
    end = time.monotonic() + START_S
    while True:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            obstore.put(store, "ready", b"yes")
        except BaseError:
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.2)
        else:
            return


def options(port: int) -> dict[str, Any]:
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "region": "us-east-1",
        "client_options": {"allow_http": True},
    }


def variables(port: int) -> dict[str, str]:
    """As the Secret of a job would give them."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


class Line:
    """A proxy to a server, which fails a part of the requests and counts what it carries.

    Half of the failures are an error before the server has heard, half a connection cut after it
    has done what was asked.
    """

    def __init__(self, port: int, chance: float, seed: int = 1) -> None:
        self.chance, self.failed, self.got_bytes = chance, 0, 0
        self.behind = port
        self._draw, self._lock = random.Random(seed), threading.Lock()
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def fault(self) -> str:
        """What becomes of the next request: nothing bad, mostly."""
        with self._lock:
            if self._draw.random() >= self.chance:
                return ""
            self.failed += 1
            return self._draw.choice(["refused", "cut"])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, line: Line) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.line = line

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was cut is what was asked for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def pass_on(self) -> None:
        line = self.server.line
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = line.fault()
        if fault == "refused":
            self.answer(503, [], b"")
            return
        behind = http.client.HTTPConnection("127.0.0.1", line.behind, timeout=30)
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            behind.putheader(name, value)
        behind.endheaders(body)
        told = behind.getresponse()
        content = told.read()
        behind.close()
        if fault == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.command == "GET":
            line.got_bytes += len(content)
        self.answer(told.status, told.getheaders(), content)

    def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        asked_only = self.command == "HEAD"
        ours = {"transfer-encoding", "connection", "date", "server"}
        ours |= set() if asked_only else {"content-length"}
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ours:
                self.send_header(name, value)
        if not asked_only:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Tests read other things."""


for _method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler.pass_on)
