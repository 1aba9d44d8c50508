"""Does a job have to be packed? Judged before it is placed, against what was measured.

    QM_BENCH_DATA=... PYTHONPATH=operator python -m benchmarks.classification

Writes benchmarks/results/classification.md, which describes the protocol.
"""

import random
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import exp, log

from benchmarks.machine import RESULTS, commit, machine
from benchmarks.published_runs import Run, all_runs
from quartermaster.decide.profile.calibration import DECLARED, Calibration
from quartermaster.decide.profile.classify import INDIFFERENCE, SENSITIVE
from quartermaster.decide.profile.fit import Observation, fit
from quartermaster.decide.profile.step import step_time
from quartermaster.domain.profile import JobProfile, Measured, Shape

RESULT = RESULTS / "classification.md"
CLUSTERS = ("gavel", "aws", "azure", "dgx-ext")
NEAR = 0.05
"""A measured ratio this near to the threshold is within the measurements' own scatter."""
SLOTS = (0.25, 0.5, 0.75)
"""Packed places for this share of the jobs."""
ORDERS = 200
"""Orders of arrival that a policy that takes jobs as they come is averaged over."""
BATCHES = 5
"""Batch sizes of a model that the constants are fitted to; the published sweeps have up to 18."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A run, and what was predicted of it."""

    run: Run
    kept: float
    """Predicted share of its packed speed that it keeps when spread."""


def knowing(run: Run, *, measured: bool) -> JobProfile:
    """What is known of the job: its facts, and with `measured` its step on one GPU."""
    if not measured:
        return run.profile
    alone = Measured(run.accelerator.name, 1, 1, run.alone_seconds)
    return replace(run.profile, measured=(alone,))


def seconds(run: Run, profile: JobProfile, shape: Shape, constants: Calibration) -> float:
    """The predicted step [s]."""
    step = step_time(profile, run.accelerator, shape, constants)
    if step is None:
        raise SystemExit(f"{run.group}: its GPU or a link is not known in published_runs.py")
    return step.total


def judge(run: Run, constants: Calibration, *, measured: bool) -> Judged:
    """Predict both places of a run."""
    profile = knowing(run, measured=measured)
    packed = seconds(run, profile, run.packed, constants)
    return Judged(run, packed / seconds(run, profile, run.spread, constants))


def fitted(others: Sequence[Run], *, measured: bool) -> Calibration:
    """The constants of a cluster's GPU model from runs of other models there."""
    seen: list[Observation] = []
    for run in thinned(others):
        profile = knowing(run, measured=measured)
        for shape, took in (
            (run.packed, run.packed_seconds),
            (run.spread, run.spread_seconds),
            (Shape(), run.alone_seconds),
        ):
            seen.append(Observation(profile, run.accelerator, shape, took))
    return fit(seen) or DECLARED


def thinned(runs: Iterable[Run]) -> list[Run]:
    """At most BATCHES batch sizes of each model, evenly spread: no model outvotes another."""
    batches: dict[str, set[int]] = defaultdict(set)
    runs = list(runs)
    for run in runs:
        batches[run.model].add(run.profile.batch)
    chosen = {}
    for model, sizes in batches.items():
        ordered = sorted(sizes)
        count = min(BATCHES, len(ordered))
        last = len(ordered) - 1
        chosen[model] = {ordered[round(i * last / max(1, count - 1))] for i in range(count)}
    return [run for run in runs if run.profile.batch in chosen[run.model]]


def held_out(runs: Sequence[Run], *, measured: bool) -> list[Judged]:
    """Each model judged with constants from the other models on the same GPUs."""
    parts: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        parts[run.cluster, run.accelerator.name].append(run)
    judged: list[Judged] = []
    for part in parts.values():
        for model in sorted({run.model for run in part}):
            constants = fitted([r for r in part if r.model != model], measured=measured)
            judged += [judge(r, constants, measured=measured) for r in part if r.model == model]
    return judged


def by_group(judged: Iterable[Judged]) -> dict[tuple[str, str, str, int], tuple[float, float]]:
    """Predicted and measured share kept by model and scale: geometric means over batch sizes."""
    logs: dict[tuple[str, str, str, int], list[tuple[float, float]]] = defaultdict(list)
    for it in judged:
        logs[it.run.group].append((log(it.kept), log(it.run.kept)))
    return {
        group: (
            exp(statistics.fmean(p for p, _ in pairs)),
            exp(statistics.fmean(m for _, m in pairs)),
        )
        for group, pairs in logs.items()
    }


def agree(predicted: float, kept: float) -> bool:
    """Whether both are on the same side of the threshold."""
    return (predicted < SENSITIVE) == (kept < SENSITIVE)


def share(right: int, of: int) -> str:
    """A share with its counts."""
    return f"{right / of:.1%} ({right}/{of})".replace("%", " %")


def accuracy(judged: Sequence[Judged]) -> list[str]:
    """Right by (model, scale), by run, and by run away from the threshold."""
    groups = by_group(judged).values()
    clear = [it for it in judged if abs(it.run.kept - SENSITIVE) > NEAR]
    return [
        share(sum(agree(*pair) for pair in groups), len(groups)),
        share(sum(agree(it.kept, it.run.kept) for it in judged), len(judged)),
        share(sum(agree(it.kept, it.run.kept) for it in clear), len(clear)),
    ]


def commoner(runs: Sequence[Run]) -> list[str]:
    """What it would score to say of every job what most jobs of the cluster are."""
    same = [Judged(run, 1.0) for run in runs]
    other = [Judged(run, 0.0001) for run in runs]
    return max(accuracy(same), accuracy(other), key=lambda row: float(row[0].split()[0]))


def speeds(judged: Sequence[Judged]) -> tuple[list[float], list[float]]:
    """What each job makes packed and spread, as a share of its better place."""
    better = [min(it.run.packed_seconds, it.run.spread_seconds) for it in judged]
    packed = [b / it.run.packed_seconds for b, it in zip(better, judged, strict=True)]
    spread = [b / it.run.spread_seconds for b, it in zip(better, judged, strict=True)]
    return packed, spread


def placed(judged: Sequence[Judged], slots: int) -> dict[str, float]:
    """Throughput of each policy where `slots` jobs can be packed and any can be spread.

    A job counts as its share of its better place, so that no model counts for more than another.
    """
    packed, spread = speeds(judged)

    def got(chosen: Iterable[int]) -> float:
        return sum(spread) + sum(packed[i] - spread[i] for i in set(chosen))

    gains = sorted((p - s for p, s in zip(packed, spread, strict=True)), reverse=True)
    most_sensitive = sorted(range(len(judged)), key=lambda i: judged[i].kept)
    ranked = [i for i in most_sensitive if judged[i].kept < 1 - INDIFFERENCE][:slots]
    arriving, packing = 0.0, 0.0
    for seed in range(ORDERS):
        order = random.Random(seed).sample(range(len(judged)), len(judged))  # noqa: S311 - a seed
        packing += got(order[:slots])
        arriving += got([i for i in order if judged[i].kept < SENSITIVE][:slots])
    return {
        "best": sum(spread) + sum(max(0.0, gain) for gain in gains[:slots]),
        "ranked": got(ranked),
        "as they come": arriving / ORDERS,
        "pack": packing / ORDERS,
        "spread": sum(spread),
    }


POLICIES = ("ranked", "as they come", "pack", "spread")


def regret(judged: Sequence[Judged], slots: float) -> list[float]:
    """Throughput by best possible of each policy; jobs of one GPU model and scale compete."""
    competing: dict[tuple[str, str, int], list[Judged]] = defaultdict(list)
    for it in judged:
        cluster, gpu, _, size = it.run.group
        competing[cluster, gpu, size].append(it)
    total: dict[str, float] = defaultdict(float)
    for jobs in competing.values():
        for policy, throughput in placed(jobs, round(slots * len(jobs))).items():
            total[policy] += throughput
    return [total[policy] / total["best"] for policy in POLICIES]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def of(judged: Iterable[Judged], clusters: Sequence[str]) -> list[Judged]:
    """Those of some clusters."""
    return [it for it in judged if it.run.cluster in clusters]


PARTS = (*((name,) for name in CLUSTERS), ("gavel", "aws"), CLUSTERS)


def named(part: Sequence[str]) -> str:
    """Clusters in words."""
    return "all four" if len(part) == len(CLUSTERS) else " + ".join(part)


def accuracies(runs: Sequence[Run], by_knowledge: dict[str, list[Judged]]) -> str:
    """The table of shares judged right."""
    rows: list[list[str]] = []
    for part in PARTS:
        for knowledge, judged in by_knowledge.items():
            rows.append([named(part), knowledge, *accuracy(of(judged, part))])
        rows.append(
            [named(part), "the commoner class", *commoner([r for r in runs if r.cluster in part])]
        )
    head = ["cluster", "known", "(model, scale)", "each batch size", "of these, clear ones"]
    return table(head, rows)


def regrets(by_knowledge: dict[str, list[Judged]]) -> str:
    """The table of throughputs by best possible."""
    rows: list[list[str]] = []
    for part in PARTS:
        for slots in SLOTS if len(part) > 1 else (0.5,):
            for knowledge, judged in by_knowledge.items():
                values = [
                    f"{value:.1%}".replace("%", " %") for value in regret(of(judged, part), slots)
                ]
                rows.append([named(part), f"{slots:.0%}".replace("%", " %"), knowledge, *values])
    head = ["cluster", "packed places", "known", *POLICIES]
    return table(head, rows)


def misses(judged: Sequence[Judged]) -> str:
    """Every (model, scale) on the wrong side."""
    rows = [
        [cluster, gpu, model, str(size), f"{predicted:.2f}", f"{kept:.2f}"]
        for (cluster, gpu, model, size), (predicted, kept) in sorted(by_group(judged).items())
        if not agree(predicted, kept)
    ]
    return table(["cluster", "GPU", "model", "GPUs", "predicted", "measured"], rows)


PAGE = """# Does a job have to be packed?

Of {runs} jobs that others have measured both packed on few nodes and spread over many, which would
lose three tenths of their speed by being spread? The answer is given from what is known before the
job is placed, and compared with the measured ratio. Then packed places are made scarce, and the
throughput of a placement that follows the answer is compared with the best possible one.

- Command: `make bench-classification`
- Commit: {commit}
- Machine: {machine}; the result does not depend on it.

## Judged right

{accuracies}

A cell is the share that is on the right side of {threshold}. Of the {groups} pairs of (model,
scale) each is one model on one GPU model at one number of GPUs, with geometric means over its batch
sizes on both sides. *Clear* are the jobs whose measured ratio is more than {near} away from the
threshold: neighbouring batch sizes scatter by more than that. *The commoner class* says of every
job what most jobs of the cluster are; where it scores 100 % the cluster tells nothing, because no
job there minds being spread. Only `gavel` and `aws` have both classes.

## Throughput by best possible

{regrets}

Jobs of one GPU model and scale compete for packed places, enough for the given share of them; any
job may be spread instead. A job counts as its speed by its speed in its better place, so that no
model outvotes another. *Best* gives the places to those who gain the most, by what was measured.
*Ranked* gives them to those who are predicted to keep the least, and none to jobs that are
predicted to lose under {indifference}. *As they come* takes jobs in order of arrival and packs
those that are judged sensitive while there is room. *Pack* packs in order of arrival while there is
room, *spread* spreads all. Orders of arrival: mean of {orders}.

## What is known

- *Nothing measured*: parameters, FLOPs, parameter tensors and kind of kernel of the model, the
  GPU's data sheet, the network; and the declared constants of `decide/profile/calibration.py`.
- *Other models measured*: the constants are fitted to other models' steps on the same GPU model in
  the same cluster, at most {batches} batch sizes each. **The model that is judged is held out
  altogether**, each in its turn. For `gavel` that leaves one model to learn from.
- *And one GPU*: the same, and the job's step on one GPU alone. Its steps on several are held out.

The form of the model (launches by tensor, shares by kind of kernel) and the widths of the fit's
prior were chosen with this data in sight, so what is held out is held out of the fit, not of the
author's mind; the declared constants are round figures that were not fitted.

`gavel` is two of the seven models of simulation_throughputs.json at 2, 4 and 8 GPUs; its network is
not published, and taken as 10 Gbit/s. `aws`, `azure` and `dgx-ext` are Sia's profiles: 1, 2, 3 and
4 GPUs of g4dn.12xlarge; 2, 6 and 8 on one or two nodes of the others. Sia's `rtx` and `quad` are
left out because what joins their nodes is not known, `dgx` because it is `dgx-ext` again, and
`gpt_pmp` because it was not measured both ways.

## Misses

Pairs of (model, scale) on the wrong side with other models measured:

{misses_before}

and with one GPU measured too:

{misses_alone}

What the model does not have: packed workers get in each other's way (ResNet-18 is 6 to 20 % faster
spread than packed on K80, and 5 to 16 % on two or three T4 from batch size 257 on), and the broken
rings of `azure`, where eight packed V100s are up to 2.2 times slower than four and four.
"""


def document(runs: Sequence[Run], by_knowledge: dict[str, list[Judged]]) -> str:
    """The result as a page."""
    return PAGE.format(
        runs=len(runs),
        groups=len({run.group for run in runs}),
        threshold=SENSITIVE,
        near=NEAR,
        indifference=f"{INDIFFERENCE * 100:.0f} %",
        orders=ORDERS,
        batches=BATCHES,
        accuracies=accuracies(runs, by_knowledge),
        regrets=regrets(by_knowledge),
        misses_before=misses(by_knowledge["other models measured"]),
        misses_alone=misses(by_knowledge["and one GPU"]),
        commit=commit(),
        machine=machine(),
    )


def main() -> None:
    """Judge every run and write the page."""
    runs = all_runs()
    by_knowledge = {
        "nothing measured": [judge(run, DECLARED, measured=False) for run in runs],
        "other models measured": held_out(runs, measured=False),
        "and one GPU": held_out(runs, measured=True),
    }
    RESULT.write_text(document(runs, by_knowledge))
    print(accuracies(runs, by_knowledge), regrets(by_knowledge), sep="\n\n")


if __name__ == "__main__":
    main()
