"""Building images with buildah, in a storage of its own below the cache."""

import http.client
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster.command import run, run_logged, succeeds
from devcluster.layout import Layout
from devcluster.progress import Progress

_MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""A registry hides manifests of a type that was not asked for."""


def is_pushed(reference: str) -> bool:
    """Whether the registry an image is named after has it."""
    host, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    connection = http.client.HTTPConnection(host, timeout=5.0)
    try:
        accepted = {"Accept": ", ".join(_MANIFEST_TYPES)}
        connection.request("HEAD", f"/v2/{name}/manifests/{tag}", headers=accepted)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Builder:
    """buildah, kept away from whatever else uses it on this machine."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._buildah: tuple[str, ...] = (
            "buildah",
            f"--root={layout.buildah}",
            f"--runroot={layout.runtime / 'buildah'}",
            "--storage-driver=overlay",
        )

    def has(self, image: str) -> bool:
        """Whether an image is in the local storage."""
        return succeeds([*self._buildah, "inspect", "--type=image", image])

    def from_folder(self, folder: Path, image: str, options: Sequence[str]) -> None:
        """Make an image whose root file system is a folder's content.

        Args:
            folder: The content.
            image: The name to give.
            options: Options of ``buildah config``.
        """
        container = run([*self._buildah, "from", "scratch"]).strip()
        try:
            run([*self._buildah, "add", container, folder, "/"])
            run([*self._buildah, "config", *options, container])
            run([*self._buildah, "commit", container, image])
        finally:
            run([*self._buildah, "rm", container])

    def build(
        self, dockerfile: Path, image: str, arguments: Mapping[str, str], progress: Progress
    ) -> None:
        """Build a Dockerfile with the repository's root as its context.

        The machine's own certificates are lent to the build, for networks that need them.

        Raises:
            CommandError: A step failed; the log is named.
        """
        self._remove_leftovers()
        run_logged(
            [
                *self._buildah,
                *("build", "--layers", "--isolation=chroot", "--network=host"),
                "--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
                *(f"--build-arg={name}={value}" for name, value in arguments.items()),
                *("--file", dockerfile, "--tag", image, self._layout.repository),
            ],
            log=self._layout.logs / f"image-{dockerfile.parent.name}.log",
            what=f"building {image}",
            progress=progress,
        )

    def push(self, image: str, progress: Progress) -> None:
        """Push an image to the loopback registry it is named after.

        buildah compresses whatever it sends to a registry; zstd's first level costs it least.
        """
        run_logged(
            [
                *self._buildah,
                *("push", "--compression-format=zstd", "--compression-level=1"),
                *("--tls-verify=false", image),
            ],
            log=self._layout.logs / f"push-{image.rpartition('/')[2].partition(':')[0]}.log",
            what=f"pushing {image}",
            progress=progress,
        )

    def forget(self, repository: str, keep: str) -> None:
        """Remove older images of a repository from the local storage; their cached layers too."""
        names = run([*self._buildah, "images", "--format={{.Name}}:{{.Tag}}"]).split()
        for name in names:
            if name.startswith(f"{repository}:") and name != keep:
                succeeds([*self._buildah, "rmi", name])
        succeeds([*self._buildah, "rmi", "--prune"])

    def _remove_leftovers(self) -> None:
        """Containers of builds that failed hold gigabytes and nothing that is wanted."""
        succeeds([*self._buildah, "rm", "--all"])
