"""Python environments from the locked requirements, made by uv and kept by what they hold.

Runs on the standard library alone, because it makes the first environment there is.
"""

import hashlib
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from devcluster.command import run, run_logged
from devcluster.errors import CommandError, DevclusterError
from devcluster.layout import Layout
from devcluster.progress import Progress

_COMPLETE = "quartermaster-complete"
_OLDEST = (3, 11)
_SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "1"}
"""The machine's own authorities: some networks sign what passes through them."""


def cache_key(requirements: bytes, python: str) -> str:
    """What an environment is made of, as 12 hexadecimal digits.

    Args:
        requirements: The locked requirements.
        python: Version and platform of the interpreter.
    """
    return hashlib.sha256(requirements + b"\0" + python.encode()).hexdigest()[:12]


def ensure(layout: Layout, name: str, link: Path | None, progress: Progress) -> Path:
    """Make the environment of ``requirements/NAME.txt`` unless it is there; returns its folder.

    Args:
        layout: Where the sources and the cache are.
        name: Which requirements.
        link: A symbolic link to point at it.
        progress: Where to say what happens.

    Raises:
        DevclusterError: This Python is too old, there are no such requirements, or uv failed.
    """
    if sys.version_info < _OLDEST:
        raise DevclusterError(f"Python 3.11 or newer is needed; {sys.executable} is older")
    source = layout.repository / "requirements" / f"{name}.txt"
    if not source.is_file():
        raise DevclusterError(f"{source} is missing")
    python = f"{sys.version_info.major}.{sys.version_info.minor} {sysconfig.get_platform()}"
    target = layout.cache / f"venv-{name}-{cache_key(source.read_bytes(), python)}"
    if not (target / _COMPLETE).exists():
        _make(layout, source, target, progress)
    if link is not None:
        _point(link, target)
    return target


def _make(layout: Layout, source: Path, target: Path, progress: Progress) -> None:
    """Create the environment in its final place: its programs hold their own path."""
    uv = find_uv(layout, progress)
    progress.say(f"installing {source.name} into {target}")
    run([uv, "venv", "--quiet", "--clear", f"--python={sys.executable}", target])
    run_logged(
        [
            *(uv, "pip", "install", "--require-hashes", f"--python={target / 'bin' / 'python'}"),
            *("--requirement", source),
        ],
        log=layout.cache / "logs" / f"venv-{source.stem}.log",
        what=f"installing {source.name}",
        progress=progress,
        env=_SYSTEM_CERTIFICATES,
    )
    (target / _COMPLETE).touch()
    progress.say(f"{target} ready")


def find_uv(layout: Layout, progress: Progress) -> Path:
    """The uv on the path, or one of our own in the cache.

    Raises:
        DevclusterError: It is not there and cannot be installed.
    """
    present = shutil.which("uv")
    if present is not None:
        return Path(present)
    folder = layout.cache / "installer"
    uv = folder / "bin" / "uv"
    if not uv.exists():
        progress.say(f"installing uv into {folder}")
        _bare_environment(folder, progress)
        wanted = layout.repository / "requirements" / "installer.txt"
        pip = folder / "bin" / "pip"
        run([pip, "install", "--quiet", "--require-hashes", "--requirement", wanted])
    return uv


def _bare_environment(folder: Path, progress: Progress) -> None:
    """An environment with pip; Debian keeps the module for it in a package of its own."""
    command: list[str | Path] = [sys.executable, "-m", "venv", "--clear", folder]
    try:
        run(command)
    except CommandError:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise DevclusterError(
                "neither uv nor python3-venv is installed: install one of them and try again"
            ) from None
        progress.say("installing Debian package python3-venv")
        run(["apt-get", "update"])
        run(["apt-get", "install", "--yes", "--no-install-recommends", "python3-venv"])
        run(command)


def _point(link: Path, target: Path) -> None:
    """Point a symbolic link at a folder, unless it does."""
    if link.is_symlink() and link.readlink() == target:
        return
    if link.exists() and not link.is_symlink():
        raise DevclusterError(f"{link} is in the way: move it, `make setup` links it to {target}")
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def lock(layout: Layout, name: str, progress: Progress) -> None:
    """Resolve ``requirements/NAME.in`` anew into ``NAME.txt``, with hashes and without host names.

    Raises:
        DevclusterError: There are no such requirements, or they cannot be resolved.
    """
    folder = layout.repository / "requirements"
    if not (folder / f"{name}.in").is_file():
        raise DevclusterError(f"{folder / name}.in is missing")
    run(
        [
            *(find_uv(layout, progress), "pip", "compile", "--quiet", "--generate-hashes"),
            *("--no-emit-index-url", "--no-emit-find-links", "--no-header"),
            *("--python-version=3.11", "--python-platform=x86_64-unknown-linux-gnu"),
            *(f"--output-file={name}.txt", f"{name}.in"),
        ],
        cwd=folder,
        env=_SYSTEM_CERTIFICATES,
    )
    progress.say(f"requirements/{name}.txt locked")
