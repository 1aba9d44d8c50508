"""The protocol of the benchmark, on jobs made up for the purpose."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import published_runs
from benchmarks.classification import (
    Judged,
    accuracy,
    by_group,
    commoner,
    judge,
    knowing,
    placed,
    regret,
    thinned,
)
from benchmarks.published_runs import Run
from quartermaster.decide.profile.calibration import DECLARED
from quartermaster.domain.profile import Shape
from tests.support import gpus


def run(kept: float, *, model: str = "resnet", batch: int = 32, packed: float = 1.0) -> Run:
    return Run(
        cluster="lab",
        accelerator=gpus.T4,
        model=model,
        profile=gpus.profile(batch=batch),
        packed=Shape(4, 1, network_bandwidth=1e9),
        spread=Shape(1, 4, network_bandwidth=1e9),
        packed_seconds=packed,
        spread_seconds=packed / kept,
        alone_seconds=0.5,
    )


def jobs_of(random: Random) -> list[Judged]:
    return [
        Judged(run(random.uniform(0.1, 1.3)), random.uniform(0.1, 1.3))
        for _ in range(random.randint(1, 9))
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_policy_beats_the_best_and_perfect_ranking_reaches_it(seed: int) -> None:
    random = Random(seed)
    jobs = jobs_of(random)
    for slots in range(len(jobs) + 1):
        got = placed(jobs, slots)
        assert all(value <= got["best"] + 1e-9 for value in got.values())
        told = [replace(job, kept=job.run.kept) for job in jobs if job.run.kept < 0.95]
        if told:
            perfect = placed(told, slots)
            assert perfect["ranked"] == pytest.approx(perfect["best"])


def test_without_packed_places_all_policies_are_alike() -> None:
    got = placed([Judged(run(0.5), 0.5), Judged(run(0.9), 0.9)], 0)
    assert list(got.values()) == pytest.approx([1.4] * 5)


def test_a_packed_place_is_wasted_on_a_job_that_does_not_mind() -> None:
    jobs = [Judged(run(0.2), 0.3), Judged(run(1.0), 1.0)]
    got = placed(jobs, 1)
    assert got["best"] == got["ranked"] == got["as they come"] == pytest.approx(2.0)
    assert got["spread"] == pytest.approx(1.2)
    assert 1.2 < got["pack"] < 2.0
    ranked, _, pack, spread = regret(jobs, 0.5)
    assert (ranked, spread) == (pytest.approx(1.0), pytest.approx(0.6))
    assert spread < pack < ranked


def test_right_is_on_the_same_side_of_the_threshold() -> None:
    judged = [Judged(run(0.5), 0.6), Judged(run(0.9), 0.6), Judged(run(0.69), 0.9)]
    groups, each, clear = accuracy(judged)
    assert each == "33.3 % (1/3)"
    assert clear == "50.0 % (1/2)"
    assert groups == "100.0 % (1/1)"
    predicted, measured = by_group(judged)["lab", "Tesla-T4", "resnet", 4]
    assert predicted == pytest.approx((0.6 * 0.6 * 0.9) ** (1 / 3))
    assert measured == pytest.approx((0.5 * 0.9 * 0.69) ** (1 / 3))
    assert commoner([job.run for job in judged])[1] == "66.7 % (2/3)"


def test_a_prediction_does_not_look_at_what_it_is_compared_with() -> None:
    """Other measured steps on several GPUs, another answer to compare with: the same prediction."""
    for measured in (False, True):
        one, other = run(0.3), run(0.9, packed=7.0)
        assert judge(one, DECLARED, measured=measured).kept == (
            judge(other, DECLARED, measured=measured).kept
        )
    assert all(seen.alone for seen in knowing(run(0.3), measured=True).measured)


def test_no_model_outvotes_another() -> None:
    runs = [run(0.5, model="swept", batch=2**n) for n in range(12)]
    runs += [run(0.5, model="once", batch=8)]
    kept = thinned(runs)
    assert [r.profile.batch for r in kept if r.model == "swept"] == [1, 8, 64, 256, 2048]
    assert [r.profile.batch for r in kept if r.model == "once"] == [8]


def test_published_steps_are_read_as_they_are_written(tmp_path: Path) -> None:
    """Gavel counts the steps of all workers; Sia writes the GPUs on each node."""
    (tmp_path / "gavel").mkdir()
    (tmp_path / "gavel" / "isolated_throughputs.csv").write_text(
        "model,batch_size,gpus,gpu_type,placement,steps_per_second\n"
        "LM,20,1,v100,packed,10\nLM,20,1,v100,spread,10\n"
        "LM,20,4,v100,packed,20\nLM,20,4,v100,spread,8\nA3C,,1,v100,packed,7\n"
    )
    (found,) = published_runs.gavel(tmp_path)
    assert (found.packed_seconds, found.spread_seconds, found.alone_seconds) == (0.2, 0.5, 0.1)
    assert found.kept == pytest.approx(0.4)
    assert (found.packed.per_node, found.spread.nodes, found.profile.batch) == (4, 4, 20)
    for model in published_runs.SIA_MODELS:
        folder = tmp_path / "sia" / "traces" / model
        folder.mkdir(parents=True)
        for cluster in published_runs.SIA_CLUSTERS:
            (folder / f"placements-{cluster}.csv").write_text(
                "placement,local_bsz,step_time,sync_time\n1,8,1,0\n2,8,1.5,1\n11,8,3,2\n11,9,3,2\n"
            )
    found = next(run for run in published_runs.sia(tmp_path) if run.model == "bert")
    assert (found.kept, found.packed.per_node, found.spread.nodes) == (0.5, 2, 2)
    assert found.spread.per_node == found.packed.nodes == 1


def test_missing_data_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="is missing: set QM_BENCH_DATA to the data folder"):
        list(published_runs.gavel(tmp_path))
