"""Volumes come with their claims and go with them."""

from pathlib import Path
from typing import Any

import pytest

from devcluster.layout import Layout
from devcluster.local import volumes

CLAIMS = "/api/v1/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"


class FakeApi:
    """As much of an API server as the volumes need: two lists, and a record of the writes."""

    def __init__(self, claims: list[Any], present: list[Any]) -> None:
        self.lists = {CLAIMS: claims, VOLUMES: present}
        self.created: list[Any] = []
        self.deleted: list[str] = []
        self.patched: list[tuple[str, Any]] = []

    def items(self, path: str) -> list[Any]:
        return self.lists[path]

    def create(self, path: str, value: Any) -> Any:
        self.created.append(value)
        return value

    def delete(self, path: str) -> None:
        self.deleted.append(path)

    def patch(self, path: str, value: Any) -> Any:
        self.patched.append((path, value))
        return value


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path, tmp_path / "state", tmp_path / "cache", tmp_path / "run")
    found.volumes.mkdir(parents=True)
    return found


def claim(*, kind: str = "shared", phase: str = "Pending") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "team-a", "name": "data", "uid": "u-1"},
        "spec": {"storageClassName": kind, "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": phase},
    }


def released(layout: Layout, name: str, kind: str) -> dict[str, Any]:
    path = layout.volumes / name
    (path / "sub").mkdir(parents=True)
    (path / "sub" / "file").write_text("left over")
    made = volumes.volume(name, kind=kind, path=path, size="1Gi")
    return {**made, "status": {"phase": "Released"}}


def test_a_new_claim_gets_a_directory_anyone_may_write_and_that_only_it_may_bind(layout):
    api = FakeApi([claim()], [])
    assert volumes.reconcile(api, layout) == 1
    (made,) = api.created
    assert (layout.volumes / "pvc-u-1").stat().st_mode & 0o777 == 0o777
    assert made["spec"]["claimRef"]["uid"] == "u-1"
    assert "ReadWriteMany" in made["spec"]["accessModes"]


@pytest.mark.parametrize(
    "other",
    [claim(kind="standard"), claim(phase="Bound"), claim(kind="tiny")],
    ids=["another class", "bound already", "a class with volumes made ahead"],
)
def test_other_claims_are_left_alone(layout, other):
    api = FakeApi([other], [])
    assert volumes.reconcile(api, layout) == 0
    assert api.created == []


def test_a_released_shared_volume_goes_with_its_directory(layout):
    api = FakeApi([], [released(layout, "pvc-u-1", "shared")])
    volumes.reconcile(api, layout)
    assert api.deleted == [f"{VOLUMES}/pvc-u-1"]
    assert not (layout.volumes / "pvc-u-1").exists()


def test_a_released_tiny_volume_is_emptied_and_offered_again(layout):
    api = FakeApi([], [released(layout, "tiny-0", "tiny")])
    volumes.reconcile(api, layout)
    assert list((layout.volumes / "tiny-0").iterdir()) == []
    assert api.patched == [(f"{VOLUMES}/tiny-0", {"spec": {"claimRef": None}})]


def test_a_volume_somewhere_else_on_the_machine_is_never_touched(layout, tmp_path):
    outside = tmp_path / "precious"
    outside.mkdir()
    foreign = volumes.volume("x", kind="shared", path=outside, size="1Gi")
    api = FakeApi([], [{**foreign, "status": {"phase": "Released"}}])
    volumes.reconcile(api, layout)
    assert outside.exists()
    assert api.deleted == []


def test_shared_is_the_default_class_and_tiny_is_not():
    default = "storageclass.kubernetes.io/is-default-class"
    marks = {
        name: volumes.storage_class(name)["metadata"]["annotations"][default]
        for name in ("shared", "tiny")
    }
    assert marks == {"shared": "true", "tiny": "false"}
