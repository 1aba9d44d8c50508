"""One process of a gang that trains as `qm_trainer` does, and looks at no step."""

import os
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from qm_trainer import config, loop, progress, session
from qm_trainer.parallel import processes


def main() -> None:
    out = session.Surroundings(
        run_dir=Path(os.environ["QM_RUN_DIR"]),
        world=processes.join(),
        reporter=progress.Reporter(None),
        now=lambda: datetime.now(UTC),  # noqa: TID251 - a process of its own
        clock=monotonic,
        stop=lambda: False,
        profiling=False,
    )
    loop.train(config.parse(os.environ["QM_CONFIG"]), out)
    processes.leave(out.world)


if __name__ == "__main__":
    main()
