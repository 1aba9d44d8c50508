"""What a user brings: a script under torchrun, and a model with data for the built-in loop."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from qm_trainer.launch import gang

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/own_script"


def test_a_factory_of_ones_own_trains_with_data_of_ones_own(
    tmp_path: Path, train: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    own = {
        "factory": "own_model:build",
        "args": {"hiddenUnits": 96},
        "uri": "python://own_model:data",
    }
    summary = train(tmp_path, **own, epochs=10, batchSize=32)
    assert summary.metrics["accuracy"] > 0.9


def test_a_plain_script_joins_by_torchruns_variables_and_reports(tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = []

    class Operator(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Operator)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "trainer_image"),
        "OMP_NUM_THREADS": "1",
        "PET_NNODES": "1",
        "PET_NPROC_PER_NODE": "2",
        "PET_NODE_RANK": "0",
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": str(gang.free_port()),
        "PET_RDZV_BACKEND": "static",
        "PET_RDZV_ID": "u",
        "PET_MAX_RESTARTS": "0",
        "QM_PROGRESS_URL": f"http://127.0.0.1:{server.server_address[1]}/v1/progress",
    }
    torchrun = Path(sys.executable).with_name("torchrun")
    subprocess.run([torchrun, EXAMPLE / "train.py"], check=True, env=environment, cwd=tmp_path)
    server.shutdown()
    server.server_close()
    last = bodies[-1]
    assert last["step"] == last["totalSteps"] == 280
    assert last["loss"] < 0.2
