"""What is printed at the end: the result in figures, and what to try next."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kubectl_qm.render.look import DIM, GOOD, STRONG
from kubectl_qm.views import Job
from quartermaster.units import duration
from scripts.demo.place import JOB, NAMESPACE, ROOT, SPOT_JOB, Place


@dataclass(frozen=True, slots=True)
class Moved:
    """The job that a spot node was taken away from."""

    job: Job
    places: tuple[str, ...]
    """Where it was, in order."""


@dataclass(frozen=True, slots=True)
class Story:
    """What there is to tell."""

    job: Job
    files: Sequence[str]
    """What it left on the volume."""
    moved: Moved | None = None


def facts(job: Job) -> list[tuple[str, str]]:
    """The result by label; what is unknown says so."""
    metrics = dict(job.progress.metrics) if job.progress else {}
    speed = job.progress.samples_per_second if job.progress else ""
    seconds = job.result.duration_seconds if job.result else 0
    found = [
        ("Accuracy", _percent(metrics.get("accuracy", ""))),
        ("Throughput", f"{float(speed):.0f} samples/s over all workers" if speed else "unknown"),
        ("Duration", f"{duration(seconds)} from the first worker's start to the end"),
        *_cost(job),
    ]
    if job.placement:
        found.append(("Nodes", ", ".join(dict.fromkeys(job.placement.nodes))))
        found.append(("Placed", job.placement.reason))
    if job.result:
        found.append(("Model", job.result.model_uri))
    return found


def _percent(ratio: str) -> str:
    return f"{float(ratio) * 100:.1f} % of the test images" if ratio else "unknown"


def _cost(job: Job) -> list[tuple[str, str]]:
    if job.cost is None or job.cost.total is None:
        return [("Cost", "unknown: no ComputePool gives these nodes a price")]
    return [
        ("Cost", f"{job.cost.total} {job.cost.currency}"),
        ("Prices", job.cost.price_source),
    ]


def commands(place: Place) -> list[str]:
    """What to try next, as a shell takes it."""
    folders = [str(ROOT / "bin")]
    exports = []
    if place.is_local:
        folders.append(str(place.layout.state / "bin"))
        exports.append(f"export KUBECONFIG={place.layout.kubeconfig}")
    lines = [
        f"export PATH={':'.join(folders)}:$PATH",
        *exports,
        f"kubectl qm status {JOB} -n {NAMESPACE}",
        f"kubectl qm explain {JOB} -n {NAMESPACE}",
        f"kubectl qm status {SPOT_JOB} -n {NAMESPACE}",
        f"kubectl describe trainingjobs.quartermaster.dev {JOB} -n {NAMESPACE}",
        "kubectl qm pools",
        "make demo-files",
    ]
    return lines if place.cluster == "existing" else [*lines, "make cluster-down"]


def interruption(moved: Moved) -> list[tuple[str, str]]:
    """What the interruption cost, and what spot has saved in spite of it."""
    found = [("Nodes", " -> ".join(moved.places)), *_cost(moved.job)[:1]]
    if moved.job.cost is None:
        return found
    spent, currency = moved.job.cost.spent, moved.job.cost.currency
    parts = ", ".join(f"{name} {amount}" for name, amount in spent.parts.items())
    found.append(("Went into", f"{parts} {currency}"))
    if spent.lost is not None:
        lost = f"{spent.lost} {currency}: steps that were lost, and starting again"
        found.append(("Lost work", lost))
    if spent.saved is not None and spent.on_demand is not None:
        found.append(("On demand", f"{spent.on_demand} {currency} for the same work, undisturbed"))
        found.append(("Spot saved", f"{spent.saved} {currency}, net: on demand less cost"))
    return found


def page(place: Place, story: Story, took_s: float) -> RenderableType:
    """The whole summary."""
    title = Text("✓ ", style=GOOD).append(f"{JOB} is trained", style=STRONG)
    title.append(f"  make demo took {duration(took_s)}", style=DIM)
    return Group(
        Text(),
        title,
        _grid(facts(story.job)),
        Text(),
        Text("Files on the volume [bytes]", style=STRONG),
        *(Text(line) for line in story.files),
        Text(),
        *(_moved(story.moved) if story.moved is not None else ()),
        Text("Try next", style=STRONG),
        *(Text(f"  {line}") for line in commands(place)),
    )


def _moved(moved: Moved) -> list[RenderableType]:
    title = Text("✓ ", style=GOOD).append(
        f"{SPOT_JOB} lost its node in the middle, and is trained", style=STRONG
    )
    return [title, _grid(interruption(moved)), Text()]


def _grid(rows: Sequence[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style=DIM, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in rows:
        grid.add_row(label, Text(value))
    return grid
