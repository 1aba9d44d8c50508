"""Room on the disk: old images out of the registry, whose layers nothing else would remove."""

import shutil
from pathlib import Path

from devcluster.command import run
from devcluster.image import delivery, product
from devcluster.kube import Client
from devcluster.layout import Layout
from devcluster.local import binaries, cluster, controlplane, processes
from devcluster.local.node import PAUSE_IMAGE
from devcluster.progress import Progress


def prune(layout: Layout, progress: Progress) -> None:
    """Keep the images that were built last or that pods name, and nothing else, in the registry.

    The registry must rest while it is swept; nodes keep what they have pulled.

    Raises:
        DevclusterError: The registry does not come up again.
    """
    store = layout.state / "registry"
    before = _used_gib(store)
    used = delivery.used_images(Client(layout.kubeconfig))
    keep = {PAUSE_IMAGE, *product.references(layout).values(), *used}
    processes.stop(layout, "registry")
    removed = _drop_tags(store / "docker/registry/v2/repositories", keep)
    component = controlplane.registry(layout, binaries.folder(layout))
    config = next(iter(component.files))
    run([component.argv[0], "garbage-collect", "--delete-untagged", config])
    cluster.start_one(layout, "registry", progress)
    progress.say(f"{removed} images removed, {before - _used_gib(store):.1f} GiB freed")


def _drop_tags(repositories: Path, keep: set[str]) -> int:
    """Remove every tag of the registry's store that is not to be kept; returns how many."""
    # An image's name without the registry's address, for a store knows no addresses.
    kept = {name.partition("/")[2] for name in keep}
    removed = 0
    for tag in sorted(repositories.glob("*/*/_manifests/tags/*")):
        repository = tag.parents[2].relative_to(repositories)
        if f"{repository}:{tag.name}" not in kept:
            shutil.rmtree(tag)
            removed += 1
    return removed


def _used_gib(folder: Path) -> float:
    """What the files below a folder take [GiB]."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**30
