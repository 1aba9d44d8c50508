"""The one small image every pod needs: busybox, asleep, which holds a pod's namespaces.

It has all of busybox's programs, so tests use it as their small image too.
"""

import tempfile
from pathlib import Path

from devcluster.command import run
from devcluster.image.builder import Builder, is_pushed
from devcluster.layout import Layout
from devcluster.local.node import PAUSE_IMAGE
from devcluster.progress import Progress

_BUSYBOX = Path("/bin/busybox")
_FOREVER_S = "2147483647"


def ensure(layout: Layout, progress: Progress) -> None:
    """Put the image into the loopback registry, unless it is there."""
    if is_pushed(PAUSE_IMAGE):
        return
    builder = Builder(layout)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _fill(root)
        builder.from_folder(
            root,
            PAUSE_IMAGE,
            ["--env", "PATH=/bin", "--entrypoint", f'["/bin/busybox","sleep","{_FOREVER_S}"]'],
        )
    builder.push(PAUSE_IMAGE, progress)
    progress.say(f"{PAUSE_IMAGE} made")


def _fill(root: Path) -> None:
    """A root file system of busybox and a link for each of its programs."""
    for name in ("bin", "tmp", "etc", "proc", "sys", "dev"):
        (root / name).mkdir(mode=0o755)
    (root / "tmp").chmod(0o1777)
    target = root / "bin" / "busybox"
    target.write_bytes(_BUSYBOX.read_bytes())
    target.chmod(0o755)
    (root / "etc" / "passwd").write_text(
        "root:x:0:0::/:/bin/sh\nnonroot:x:65532:65532::/:/bin/sh\n"
    )
    for program in run([_BUSYBOX, "--list"]).split():
        if program != "busybox":
            (root / "bin" / program).symlink_to("busybox")
