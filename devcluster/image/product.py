"""The product's two images: built when their inputs changed, and put where the nodes find them.

An image's tag is the hash of everything that goes into it, so the same inputs are never built or
moved twice, and a manifest with that tag can mean one thing only.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.command import run_logged
from devcluster.errors import DevclusterError
from devcluster.image import base, delivery
from devcluster.image.builder import Builder, is_pushed
from devcluster.layout import REGISTRY, Layout
from devcluster.local import processes
from devcluster.local.node import PAUSE_IMAGE
from devcluster.progress import Progress


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the product and what goes into it."""

    name: str
    dockerfile: str
    """Relative to the repository's root, which is the build's context."""
    inputs: tuple[str, ...]
    """Files and folders relative to the root; everything the Dockerfile copies."""

    @property
    def repository(self) -> str:
        """The image's name without its registry and tag."""
        return f"quartermaster/{self.name}"


IMAGES = (
    Image(
        "operator",
        "operator/Dockerfile",
        ("requirements/installer.txt", "requirements/operator.txt", "operator/quartermaster"),
    ),
    Image(
        "trainer",
        "trainer_image/Dockerfile",
        ("requirements/installer.txt", "requirements/trainer.txt", "trainer_image"),
    ),
)
_NOT_INPUT = {"__pycache__", "Dockerfile"}


def content_tag(root: Path, image: Image, base_key: str) -> str:
    """The hash of all that goes into an image, as 16 hexadecimal digits.

    Args:
        root: The repository's root.
        image: Which image.
        base_key: What the base image is made of.
    """
    digest = hashlib.sha256(f"{base_key}\0".encode())
    for path in (root / image.dockerfile, *_input_files(root, image)):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _input_files(root: Path, image: Image) -> Iterator[Path]:
    """Every input file in a fixed order, without what Python or the build leaves behind."""
    for name in image.inputs:
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            inside = path.relative_to(root).parts
            if path.is_file() and not _NOT_INPUT.intersection(inside):
                yield path


def selected(names: list[str]) -> list[Image]:
    """The images of some names; all of them for none.

    Raises:
        DevclusterError: There is no such image.
    """
    known = {image.name: image for image in IMAGES}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise DevclusterError(f"no image {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(IMAGES)


def references(layout: Layout) -> dict[str, str]:
    """The images that were built last, by name."""
    try:
        known: dict[str, str] = json.loads(layout.images_file.read_text())
    except FileNotFoundError:
        return {}
    return known


def ensure(layout: Layout, images: list[Image], progress: Progress) -> None:
    """Build, push and pull ahead what is not there yet, and note the references.

    Raises:
        DevclusterError: The registry does not run, or a build failed.
    """
    if processes.running(layout, "registry") is None:
        raise DevclusterError("the cluster does not run: run `make cluster-up` first")
    for image in images:
        tag = content_tag(layout.repository, image, base.cache_key())
        reference = f"{REGISTRY}/{image.repository}:{tag}"
        if references(layout).get(image.name) == reference and is_pushed(reference):
            progress.say(f"{reference} is up to date")
        else:
            _make(layout, image, reference, progress)
        delivery.deliver(layout, reference, progress)
        _note(layout, {image.name: reference, "busybox": PAUSE_IMAGE})


def _make(layout: Layout, image: Image, reference: str, progress: Progress) -> None:
    """Build one image and push it."""
    builder = Builder(layout)
    if not is_pushed(reference):
        from_image = base.ensure(layout, builder, progress)
        progress.say(f"building {reference}")
        dockerfile = layout.repository / image.dockerfile
        builder.build(dockerfile, reference, {"BASE": from_image}, progress)
        progress.say(f"pushing {reference}")
        builder.push(reference, progress)
    builder.forget(f"{REGISTRY}/{image.repository}", keep=reference)


def _note(layout: Layout, found: Mapping[str, str]) -> None:
    """Add references to the file that tests and the demonstration read, whole or not at all."""
    text = json.dumps({**references(layout), **found}, indent=2, sort_keys=True) + "\n"
    staging = layout.images_file.with_suffix(".new")
    staging.write_text(text)
    staging.replace(layout.images_file)


def docker_build(layout: Layout, image: Image, prefix: str, progress: Progress) -> str:
    """Build an image with a Docker engine, for clusters that are not ours; returns its name.

    Args:
        layout: Where the sources are.
        image: Which image.
        prefix: Registry and path in front of the name; may be empty.
        progress: Where to say what happens.

    Raises:
        DevclusterError: There is no Docker engine, or the build failed.
    """
    if shutil.which("docker") is None:
        raise DevclusterError("docker is not installed; CLUSTER=local builds without it")
    tag = content_tag(layout.repository, image, "docker")
    reference = "/".join(part for part in (prefix.strip("/"), image.repository) if part) + f":{tag}"
    run_logged(
        [
            *("docker", "build", "--file", image.dockerfile, "--tag", reference, "."),
        ],
        log=layout.logs / f"image-{image.name}.log",
        what=f"building {reference}",
        progress=progress,
        cwd=layout.repository,
        env={"DOCKER_BUILDKIT": "1"},
    )
    _note(layout, {image.name: reference})
    return reference
