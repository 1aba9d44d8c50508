"""The operator's ledger as a file: found on its node, read by SQL, lost on purpose."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from tests.support.kubectl import Kubectl
from tests.support.stage import SYSTEM

UNITS_PER_USD = 3_600_000_000 * 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIDES = ("", "-wal", "-shm")


@dataclass(frozen=True)
class LedgerFile:
    """The SQLite file in the volume of the operator's pod."""

    path: Path

    def lose(self) -> None:
        """Delete it under whoever has it open."""
        for side in _SIDES:
            self.path.with_name(self.path.name + side).unlink(missing_ok=True)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            yield connection

    def by_job_and_part(self) -> dict[tuple[str, str, str], Fraction]:
        """What jobs cost by namespace, name and part [USD], exact."""
        asked = (
            "SELECT namespace, name, part, SUM(nano), SUM(rest) FROM daily_by_holder"
            " WHERE kind = 'Job' GROUP BY namespace, name, part"
        )
        with self.reading() as connection:
            rows = connection.execute(asked).fetchall()
        found = {
            (namespace, name, part): Fraction(nano * 3_600_000_000 + rest, UNITS_PER_USD)
            for namespace, name, part, nano, rest in rows
        }
        return {key: usd for key, usd in found.items() if usd}

    def pods(self) -> list[str]:
        """Uids of the pods that stand in it by themselves, once for each first entry."""
        asked = "SELECT id FROM entries WHERE kind = 'Job' AND id LIKE '%/0'"
        with self.reading() as connection:
            firsts = [id_ for (id_,) in connection.execute(asked)]
        return [id_.split("/")[0] for id_ in firsts if not id_.startswith("rebuilt/")]

    def rebuilt(self) -> set[str]:
        """Uids of the jobs that came back from their statuses."""
        asked = "SELECT uid FROM entries WHERE id LIKE 'rebuilt/%'"
        with self.reading() as connection:
            return {uid for (uid,) in connection.execute(asked)}

    def nodes_since(self) -> datetime | None:
        """From when on nodes are charged; None where nobody has looked yet."""
        asked = "SELECT moment FROM cursors WHERE name = 'nodes'"
        with self.reading() as connection:
            found = connection.execute(asked).fetchone()
        return None if found is None else EPOCH + timedelta(microseconds=found[0])

    def copy_to(self, path: Path) -> Path:
        """Its contents, in one piece."""
        with self.reading() as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
        return path


def find(kubectl: Kubectl) -> LedgerFile:
    """The ledger of the operator that runs."""
    found = json.loads(kubectl.out("-n", SYSTEM, "get", "pods", "-o", "json"))["items"]
    (pod,) = (it for it in found if "deletionTimestamp" not in it["metadata"])
    state = Path(os.environ.get("QM_STATE") or Path.home() / ".local/state/quartermaster")
    root = state / "nodes" / pod["spec"]["nodeName"] / "kubelet/pods" / pod["metadata"]["uid"]
    return LedgerFile(root / "volumes/kubernetes.io~empty-dir/ledger/ledger.db")


def node_of_operator(kubectl: Kubectl) -> str:
    found = json.loads(kubectl.out("-n", SYSTEM, "get", "pods", "-o", "json"))["items"]
    (pod,) = (it for it in found if "deletionTimestamp" not in it["metadata"])
    return str(pod["spec"]["nodeName"])
