"""Runs that are kept in S3: against a real server, also when the line to it is bad."""

import itertools
import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import obstore
import pytest
import torch
from safetensors.torch import load, load_file

from qm_trainer.data.order import Cursor
from qm_trainer.errors import ConfigError, Interrupted, StorageError
from qm_trainer.parallel.sharding import Box
from qm_trainer.storage import s3, shards
from qm_trainer.storage.bucket import Bucket
from qm_trainer.storage.checkpoint import Folder
from qm_trainer.storage.shards import Damaged
from qm_trainer.storage.snapshots import Snapshot
from tests.unit.trainer import s3_server
from tests.unit.trainer.conftest import tree
from tests.unit.trainer.s3_server import Line
from tests.unit.trainer.test_launch import PAIR, Curve, Worker

pytestmark = [
    pytest.mark.torch,
    pytest.mark.timeout(600),
    pytest.mark.skipif(s3_server.weed() is None, reason="the test requirements bring no S3 server"),
]
Train = Callable[..., Any]
HASTY = {"max_retries": 1}
names = (f"run-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with s3_server.server(tmp_path_factory.mktemp("s3")) as port:
        yield port


@pytest.fixture
def line(port: int) -> Iterator[Line]:
    line = Line(port, chance=0.0)
    yield line
    line.close()


@pytest.fixture
def uri() -> str:
    """A place of the test's own."""
    return f"s3://{s3_server.BUCKET}/{next(names)}"


def bucket(port: int, uri: str, scratch: Path, **options: Any) -> Bucket:
    address = s3.parse(uri)
    return Bucket(s3.connect(address, s3_server.variables(port), **options), address, scratch)


def folder(files: Bucket, keep: int = 2) -> Folder:
    return Folder(files, keep, lambda: datetime(2026, 1, 1, tzinfo=UTC), time.monotonic)


def state(step: int, rows: int = 8) -> Snapshot:
    tensors = {
        "model.weight": torch.arange(rows * 6, dtype=torch.float32).reshape(rows, 6) + step,
        "model.half": torch.arange(rows).bfloat16(),
        "optimizer.weight.step": torch.tensor(float(step)),
        "model.none": torch.empty(0, 3),
    }
    return Snapshot(Cursor(step, 1, 5), tensors, 1, {"loss": 0.5})


def test_what_was_saved_comes_back_and_the_old_goes(port: int, uri: str, tmp_path: Path) -> None:
    kept = folder(bucket(port, uri, tmp_path / "scratch"))
    for step in (3, 20, 100):
        kept.save(state(step))
    assert kept.complete() == [20, 100]
    assert not list((tmp_path / "scratch").iterdir())
    with kept.open(100) as stored:
        for name, value in state(100).tensors.items():
            assert torch.equal(stored.whole(name), value), name
            assert stored.whole(name).dtype == value.dtype
        asked = Box((2, 1), (3, 4))
        assert torch.equal(
            stored.read("model.weight", asked), state(100).tensors["model.weight"][2:5, 1:5]
        )
    assert kept.meta(100)["notes"] == {"loss": 0.5}
    assert kept.where(100) == f"{uri}/100"


def test_a_checkpoint_without_its_marker_or_cut_short_is_rubble(
    port: int, uri: str, tmp_path: Path
) -> None:
    files = bucket(port, uri, tmp_path)
    kept = folder(files, keep=9)
    for step in (1, 2, 3):
        kept.save(state(step))
    files.remove("2/COMPLETE")
    size = files.sizes()["3/state.safetensors"]
    files.write("3/state.safetensors", "rubbish")
    assert kept.complete() == [1]
    assert kept.clear_rubble() == {
        2: "it was not finished",
        3: f"state.safetensors has 7 of {size} bytes",
    }
    assert {path.partition("/")[0] for path in files.sizes()} == {"1"}


@pytest.mark.parametrize(
    "rubbish",
    ["", "short", "x" * 100, "\0" * 99, "\x02\0\0\0\0\0\0\0[]"],
    ids=["empty", "short", "letters", "zeros", "a list"],
)
def test_a_file_of_something_else_is_named(
    port: int, uri: str, tmp_path: Path, rubbish: str
) -> None:
    files = bucket(port, uri, tmp_path)
    files.write("1/state.safetensors", rubbish)
    with pytest.raises((Damaged, StorageError), match=r"state\.safetensors"):
        files.open(["1/state.safetensors"])


def test_only_what_is_asked_for_is_read(line: Line, uri: str, tmp_path: Path) -> None:
    files = bucket(line.port, uri, tmp_path)
    rows = 100_000
    kept = folder(files)
    kept.save(state(1, rows))
    with kept.open(1) as stored:
        before = line.got_bytes
        part = stored.read("model.weight", Box((rows // 2, 0), (rows // 8, 6)))
    assert torch.equal(
        part, state(1, rows).tensors["model.weight"][rows // 2 : rows // 2 + rows // 8]
    )
    assert line.got_bytes - before == part.nbytes


def test_files_of_many_requests_come_back(line: Line, uri: str, tmp_path: Path) -> None:
    """With a fifth of the requests failing, in every way that S3 knows."""
    line.chance = 0.2
    kept = folder(bucket(line.port, uri, tmp_path))
    rows = 3_000_000
    kept.save(state(1, rows))
    with kept.open(1) as stored:
        assert torch.equal(stored.whole("model.weight"), state(1, rows).tensors["model.weight"])
    assert line.failed > 0


def test_a_server_that_is_away_is_told(uri: str, tmp_path: Path) -> None:
    (nobody,) = s3_server.free_ports(1)
    files = bucket(nobody, uri, tmp_path, retries=HASTY)
    with pytest.raises(
        StorageError, match=f"^{uri} does not answer as it should: .*sending request"
    ):
        folder(files).complete()
    with pytest.raises(StorageError, match=f"^{uri}/7/COMPLETE does not answer"):
        folder(files).save(state(7))
    assert not list(tmp_path.iterdir())


def test_keys_that_are_refused_are_told_and_not_shown(port: int, uri: str, tmp_path: Path) -> None:
    address = s3.parse(uri)
    wrong = {**s3_server.variables(port), "AWS_SECRET_ACCESS_KEY": "hush-hush-4711"}
    files = Bucket(s3.connect(address, wrong), address, tmp_path)
    with pytest.raises(StorageError, match=r"refuses the keys: .*checkpoint\.secretName") as told:
        folder(files).complete()
    assert "hush" not in str(told.value)


@pytest.mark.parametrize("uri", ["s3://", "s3:///x", "gs://bucket/x", "bucket"])
def test_an_address_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="must be s3://BUCKET/PREFIX"):
        s3.parse(uri)


def test_a_run_on_a_bad_line_goes_on_on_another_machine_as_if_nothing_had_been(
    tmp_path: Path, train: Train, loss_curve: Curve, line: Line, uri: str
) -> None:
    train(tmp_path / "whole")
    line.chance = 0.2
    kept = {
        "environment": s3_server.variables(line.port),
        "checkpoint_uri": uri,
        "periodSeconds": 3,
    }
    steps = iter(range(10**6))
    with pytest.raises(Interrupted):
        train(tmp_path / "first", stop=lambda: next(steps) >= 20, **kept)
    summary = train(tmp_path / "second", **kept)
    assert summary.resumed_from_step > 0
    assert line.failed > 0
    assert loss_curve(tmp_path / "second") == loss_curve(tmp_path / "whole")
    line.chance = 0.0
    store = s3.connect(s3.parse(uri), s3_server.variables(line.port))
    model = load(bytes(obstore.get(store, "model/model.safetensors").bytes()))
    for name, value in load_file(tmp_path / "whole/model/model.safetensors").items():
        assert torch.equal(value, model[name])
    told = json.loads(bytes(obstore.get(store, "summary.json").bytes()))
    assert told["resumedFromStep"] == summary.resumed_from_step
    curve = bytes(obstore.get(store, "metrics.jsonl").bytes()).decode()
    assert curve == (tmp_path / "second/metrics.jsonl").read_text()


def test_two_processes_save_their_parts_and_one_goes_on(
    tmp_path: Path, train: Train, loss_curve: Curve, port: int, uri: str
) -> None:
    def start(name: str, strategy: str, count: int) -> Worker:
        batch = 64 // count
        changed = tree(**PAIR | {"strategy": strategy, "batchSize": batch, "checkpoint_uri": uri})
        environment = {**s3_server.variables(port), "PET_NPROC_PER_NODE": str(count)}
        return Worker(tmp_path / name, changed, environment).start()

    first = start("first", "FSDP", 2)
    first.until("epoch 1/4 done")
    first.process.send_signal(signal.SIGTERM)
    assert first.end() == 76, first.log.read_text()
    parts = [path for path in bucket(port, uri, tmp_path).sizes() if "/state-0000" in path]
    assert len(parts) % 2 == 0
    assert parts
    second = start("second", "DDP", 1)
    assert second.end() == 0, second.log.read_text()
    assert "resuming after step" in second.log.read_text()
    train(tmp_path / "whole", **{**PAIR, "batchSize": 64, "args": {"seconds": 0.0}})
    assert loss_curve(tmp_path / "second") == pytest.approx(
        loss_curve(tmp_path / "whole"), rel=1e-4
    )
    late = start("late", "DDP", 1)
    assert late.end() == 0
    assert "the run is finished" in late.log.read_text()
    assert s3_server.SECRET not in first.log.read_text() + second.log.read_text()


def test_the_shards_module_reads_what_was_uploaded(port: int, uri: str, tmp_path: Path) -> None:
    files = bucket(port, uri, tmp_path)
    files.write_tensors("a.safetensors", {"w": torch.ones(2, 2)}, {"w": (2, 0)})
    store = s3.connect(s3.parse(uri), s3_server.variables(port))
    (tmp_path / "a.safetensors").write_bytes(bytes(obstore.get(store, "a.safetensors").bytes()))
    with (
        shards.Stored([tmp_path / "a.safetensors"]) as here,
        files.open(["a.safetensors"]) as there,
    ):
        assert here.shape("w") == there.shape("w") == (4, 2)
