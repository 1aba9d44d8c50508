"""Volumes that every node shares: directories of the one machine all nodes are on.

Class ``shared`` is the default: a claim gets a directory that any user may write, and the
directory goes with the claim. Class ``tiny`` has two volumes of 16 MiB on memory, for tests of
what happens when a volume is full; they are emptied and offered again once released.
"""

import contextlib
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from devcluster.errors import DevclusterError
from devcluster.kube import Client
from devcluster.layout import Layout

SHARED = "shared"
TINY = "tiny"
TINY_MIB = 16
TINY_COUNT = 2
PROVISIONER = "quartermaster.dev/directory"

_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
_VOLUMES = "/api/v1/persistentvolumes"
_CLAIMS = "/api/v1/persistentvolumeclaims"
_PERIOD_S = 0.5
_PAUSE_AFTER_FAILURE_S = 2.0

_Json = dict[str, Any]


def storage_class(name: str) -> _Json:
    """The StorageClass of one of the two kinds."""
    is_default = "true" if name == SHARED else "false"
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": is_default},
        },
        "provisioner": PROVISIONER if name == SHARED else "kubernetes.io/no-provisioner",
        "reclaimPolicy": "Delete" if name == SHARED else "Retain",
        "volumeBindingMode": "Immediate",
    }


def volume(name: str, *, kind: str, path: Path, size: str, claim: _Json | None = None) -> _Json:
    """A PersistentVolume on a directory of this machine.

    Args:
        name: The volume's name.
        kind: Its storage class.
        path: The directory.
        size: Kubernetes quantity.
        claim: The claim it was made for, if for one.
    """
    spec: _Json = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
        # Removal is ours: the controller manager knows no plugin that would do it.
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": kind,
        "hostPath": {"path": str(path), "type": "Directory"},
    }
    if claim is not None:
        meta = claim["metadata"]
        spec["claimRef"] = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            **{field: meta[field] for field in ("namespace", "name", "uid")},
        }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": spec,
    }


def ensure_classes(client: Client, layout: Layout) -> None:
    """Create the storage classes and the tiny volumes."""
    for name in (SHARED, TINY):
        client.create(_CLASSES, storage_class(name))
    for path in tiny_paths(layout):
        client.create(_VOLUMES, volume(path.name, kind=TINY, path=path, size=f"{TINY_MIB}Mi"))


def tiny_paths(layout: Layout) -> list[Path]:
    """Where the tiny volumes are mounted."""
    return [layout.volumes / f"tiny-{index}" for index in range(TINY_COUNT)]


def reconcile(client: Client, layout: Layout) -> int:
    """Make volumes for new claims and take back released ones; returns how many were touched."""
    touched = 0
    for claim in client.items(_CLAIMS):
        if _wants_volume(claim):
            _provide(client, layout, claim)
            touched += 1
    for one in client.items(_VOLUMES):
        if one["status"].get("phase") == "Released":
            _take_back(client, layout, one)
            touched += 1
    return touched


def _wants_volume(claim: _Json) -> bool:
    spec = claim["spec"]
    return (
        spec.get("storageClassName") == SHARED
        and not spec.get("volumeName")
        and claim["status"].get("phase") == "Pending"
        and "deletionTimestamp" not in claim["metadata"]
    )


def _provide(client: Client, layout: Layout, claim: _Json) -> None:
    """A directory any user may write, and the volume that names it."""
    name = f"pvc-{claim['metadata']['uid']}"
    path = layout.volumes / name
    path.mkdir(parents=True, exist_ok=True)
    # Pods run as a user of their own and host paths know no fsGroup.
    path.chmod(0o777)
    size = claim["spec"]["resources"]["requests"]["storage"]
    client.create(_VOLUMES, volume(name, kind=SHARED, path=path, size=size, claim=claim))


def _take_back(client: Client, layout: Layout, one: _Json) -> None:
    """Delete a released volume with its directory, or empty and offer it again."""
    name, kind = one["metadata"]["name"], one["spec"].get("storageClassName")
    path = Path(one["spec"].get("hostPath", {}).get("path", "/nonexistent"))
    if path.parent != layout.volumes:
        return
    if kind == SHARED:
        client.delete(f"{_VOLUMES}/{name}")
        shutil.rmtree(path, ignore_errors=True)
    elif kind == TINY:
        _empty(path)
        client.patch(f"{_VOLUMES}/{name}", {"spec": {"claimRef": None}})


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def serve(client: Client, layout: Layout, address: Path) -> None:
    """Reconcile for ever; a socket that takes connections says that the loop is alive."""
    address.unlink(missing_ok=True)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as alive:
        alive.bind(str(address))
        alive.listen(64)
        alive.settimeout(0)
        while True:
            _drain(alive)
            try:
                reconcile(client, layout)
            except DevclusterError as error:
                print(error, flush=True)
                time.sleep(_PAUSE_AFTER_FAILURE_S)
            time.sleep(_PERIOD_S)


def _drain(alive: socket.socket) -> None:
    """Let go of those who only wanted to know whether anybody is there."""
    with contextlib.suppress(BlockingIOError):
        while True:
            alive.accept()[0].close()
