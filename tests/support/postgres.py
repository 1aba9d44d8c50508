"""A real PostgreSQL of Debian's package, for as long as the tests want it."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = "PostgreSQL is not here: apt-get install postgresql (its server starts by itself or not)"
INSTALLED = Path("/usr/lib/postgresql")
USER = "nobody"
"""PostgreSQL refuses to run as root; then it runs as this one."""


def binaries() -> Path | None:
    """The folder of the newest server that is installed."""
    found = [path.parent for path in INSTALLED.glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """A server on a socket in a folder of its own; yields the URL of an empty database."""
    home = Path(tempfile.mkdtemp(prefix="quartermaster-postgres-"))
    account = pwd.getpwnam(USER) if os.geteuid() == 0 else None
    if account is not None:
        os.chown(home, account.pw_uid, account.pw_gid)
    data = home / "data"
    user = None if account is None else account.pw_uid
    group = None if account is None else account.pw_gid

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), *arguments], check=True, cwd=home, user=user, group=group,
            extra_groups=None if user is None else [], stdout=subprocess.DEVNULL,
        )  # fmt: skip

    sys.stderr.write("starting PostgreSQL for the tests ...\n")
    try:
        run("initdb", "-D", str(data), "-A", "trust", "-U", "tests", "--no-sync", "-E", "UTF8")
        options = f"-k {home} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB"
        run("pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(home / "log"), "-o", options,
            "start")  # fmt: skip
        try:
            yield f"postgresql://tests@/postgres?host={home}"
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
