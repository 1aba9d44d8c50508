"""The base of both images where no registry of images can be reached: a minimal Debian.

It holds what ``python:3.11-slim-bookworm`` would give the Dockerfiles: Python 3.11, its venv module
and the certificate authorities. It is made once and kept.
"""

import hashlib
import shutil
from pathlib import Path

from devcluster.command import run_logged
from devcluster.image.builder import Builder
from devcluster.layout import Layout
from devcluster.progress import Progress

_SUITE = "bookworm"
_PACKAGES = ("ca-certificates", "python3", "python3-venv")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def cache_key() -> str:
    """What the base is made of, as 12 hexadecimal digits."""
    return hashlib.sha256("\0".join((_SUITE, *_PACKAGES)).encode()).hexdigest()[:12]


def ensure(layout: Layout, builder: Builder, progress: Progress) -> str:
    """Make the base image unless it is there; returns its name in the builder's storage.

    Raises:
        DevclusterError: debootstrap failed; its log is named.
    """
    image = f"localhost/quartermaster-base:{cache_key()}"
    if builder.has(image):
        return image
    root = layout.cache / "base" / cache_key()
    if not root.exists():
        _bootstrap(layout, root, progress)
    builder.from_folder(root, image, ["--env", f"PATH={_PATH}", "--cmd", "python3"])
    progress.say(f"{image} made")
    return image


def _bootstrap(layout: Layout, root: Path, progress: Progress) -> None:
    """Install the minimal system into a folder, whole or not at all."""
    staging = root.with_suffix(".making")
    shutil.rmtree(staging, ignore_errors=True)
    staging.parent.mkdir(parents=True, exist_ok=True)
    progress.say("making the base image's file system (once; about a minute)")
    included = f"--include={','.join(_PACKAGES)}"
    where: list[str | Path] = [_SUITE, staging, *mirror(Path("/etc/apt"))]
    run_logged(
        ["debootstrap", "--variant=minbase", included, *where],
        log=layout.logs / "debootstrap.log",
        what="debootstrap",
        progress=progress,
    )
    staging.rename(root)


def mirror(apt: Path) -> list[str]:
    """The Debian mirror this machine itself uses; none where debootstrap's own choice has to do.

    Args:
        apt: The configuration folder of apt.
    """
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for path in files:
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            if words[:1] in (["deb"], ["URIs:"]):
                addresses = [word for word in words if word.startswith("http")]
                if addresses and addresses[0].rstrip("/").endswith("/debian"):
                    return addresses[:1]
    return []
