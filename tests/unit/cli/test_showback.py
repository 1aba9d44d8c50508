"""`kubectl qm cost --by`: sums of the ledger by what was asked for."""

import json
from typing import Any

import pytest

from kubectl_qm.arguments import parse
from kubectl_qm.errors import NotFoundError, UsageError
from tests.support import qm_make as make
from tests.support.qm_cluster import MemoryCluster
from tests.support.qm_plan import node, object_of
from tests.unit.cli.conftest import Screen


def line(*key: str, usd: str, listed: str | None = None, gpu_ms: int = 3_600_000) -> dict[str, Any]:
    return {
        "key": list(key), "usd": usd, "onDemandUsd": listed or usd, "heldMs": 3_600_000,
        "gpuMs": gpu_ms, "unpricedMs": 0,
    }  # fmt: skip


def by_queue() -> dict[str, Any]:
    """Queue, namespace, kind, part, capacity type."""
    return {
        "lines": [
            line("research", "team-a", "Job", "Useful", "Spot", usd="30.00", listed="60.00"),
            line("research", "team-a", "Job", "Rework", "Spot", usd="10.00", listed="20.00"),
            line("", "team-b", "Job", "Idle", "OnDemand", usd="7.005"),
            line("", "", "Idle", "", "Spot", usd="3.00", listed="6.00"),
        ]
    }


def test_costs_are_shown_by_queue_with_waste_idle_time_and_what_spot_saved() -> None:
    screen = Screen(MemoryCluster(ledger=by_queue()))
    assert screen.run("cost", "-A", "--by", "queue", "--since", "7d") == 0
    assert [" ".join(row.split()) for row in screen.out.splitlines()] == [
        "QUEUE COST USD USEFUL WASTE SPOT SAVED IDLE GPU H",
        "research 40.00 30.00 25 % 20.00 0.00 2.0",
        "- 10.01 0.00 100 % 0.00 10.01 2.0",
        "",
        "Sum 50.01 USD · 36 % of jobs wasted · 20.00 saved by spot",
    ]


def test_without_a_the_context_s_namespace_alone_is_counted() -> None:
    screen = Screen(MemoryCluster(ledger=by_queue()))
    screen.run("cost", "--by", "queue", "-o", "json")
    told = json.loads(screen.out)
    assert told["sum"]["usd"] == "40.000000000000"
    assert [row["queue"] for row in told["rows"]] == ["research"]
    assert told["rows"][0]["wasteRatio"] == "0.2500"


def test_days_are_asked_for_in_utc_and_today_is_among_them() -> None:
    cluster = MemoryCluster(ledger={"lines": []})
    screen = Screen(cluster)
    screen.run("cost", "--by", "job", "--since", "2026-11-01", "--until", "2026-12-01")
    assert cluster.ledger_queries == [
        {
            "since": "2026-11-01", "until": "2026-12-01",
            "by": "namespace,job,namespace,kind,part,capacityType",
        }
    ]  # fmt: skip
    assert "Nothing was charged" in screen.err


def test_a_spreadsheet_gets_csv() -> None:
    screen = Screen(MemoryCluster(ledger=by_queue()))
    screen.run("cost", "-A", "--by", "queue", "-o", "csv")
    header, first, *_ = screen.out.splitlines()
    assert header.startswith("queue,usd,usefulUsd,wasteRatio")
    assert first.startswith("research,40.000000000000,30.000000000000,0.2500")


def test_what_a_script_does_that_tells_nothing_is_no_waste() -> None:
    lines = [
        line("told", "team-a", "Job", "Useful", "Spot", usd="6"),
        line("told", "team-a", "Job", "Rework", "Spot", usd="2"),
        line("told", "team-a", "Job", "Other", "Spot", usd="4"),
        line("silent", "team-a", "Job", "Other", "Spot", usd="9"),
    ]
    screen = Screen(MemoryCluster(ledger={"lines": lines}))
    screen.run("cost", "--by", "queue", "-o", "json")
    told = json.loads(screen.out)
    assert [row["wasteRatio"] for row in told["rows"]] == ["0.2500", None]
    assert told["sum"]["wasteRatio"] == "0.2500"


def test_spot_that_was_dearer_has_saved_less_than_nothing() -> None:
    lines = [line("q", "team-a", "Job", "Useful", "Spot", usd="9", listed="5")]
    screen = Screen(MemoryCluster(ledger={"lines": lines}))
    screen.run("cost", "--by", "queue", "-o", "json")
    assert json.loads(screen.out)["rows"][0]["savedUsd"] == "-4.000000000000"


def test_recommendations_are_shown_with_the_saving_and_why() -> None:
    lines = [
        line("team-a", "digits", "H100", "Job", "Useful", "OnDemand", usd="60"),
        line("team-a", "digits", "H100", "Job", "Idle", "OnDemand", usd="40"),
        line("team-b", "vision", "H100", "Job", "Idle", "OnDemand", usd="90"),
    ]
    screen = Screen(MemoryCluster(ledger={"lines": lines}))
    assert screen.run("cost", "--recommend", "--since", "7d") == 0
    assert " ".join(screen.out.split()).startswith(
        "NAMESPACE JOB SAVES USD BY WHY team-a digits 40.00 IdleGpus its GPUs computed next to"
    )
    assert "vision" not in screen.out


def test_an_operator_without_a_ledger_is_told() -> None:
    with pytest.raises(NotFoundError, match="keeps no ledger"):
        Screen().run("cost", "--by", "day")


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (["digits", "--by", "job"], "--by and a NAME exclude each other"),
        (["-o", "csv"], "-o csv is for sums of the ledger"),
        (["--by", "day", "--since", "soon"], "'soon' is not a day"),
        (["--by", "colour"], "'colour' is not possible"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(words: list[str], want: str) -> None:
    with pytest.raises(UsageError, match=want):
        parse(["cost", *words])


def test_another_gpu_is_recommended_with_what_it_rests_on() -> None:
    status = {
        "profile": {
            "bound": "Input", "stepSeconds": "0.5", "computeFraction": "0.1",
            "communicationFraction": "0", "dataWaitFraction": "0.9", "flopsPerStep": "3" + 13 * "0",
            "memoryTrafficPerStep": "40000000000", "parameters": 100000000, "processes": 1,
            "nodes": 1, "memoryPerWorker": "9216Mi", "memoryKind": "Device", "precision": "BF16",
            "accelerator": "NVIDIA-H100-80GB-HBM3",
        }
    }  # fmt: skip
    spec = {"trainer": {"workers": 1, "batchSize": 10, "resourcesPerWorker": {"gpus": 1}}}
    job = object_of(make.training_job(spec=spec, status=status), 1)
    there = object_of(node("a", "p5.48xlarge", "NVIDIA-H100-80GB-HBM3", 8), 2)
    there["metadata"]["labels"]["topology.kubernetes.io/region"] = "us-east-1"
    hours = 11 * 3_600_000
    gpu = "NVIDIA-H100-80GB-HBM3"
    key = ("team-a", "digits", gpu, "Job", "Useful", "OnDemand")
    lines = [line(*key, usd="75.68", gpu_ms=hours)]
    screen = Screen(MemoryCluster(ledger={"lines": lines}, jobs=[job], nodes=[there]))
    assert screen.run("cost", "--recommend", "-o", "json") == 0
    found = {each["saving"]: each for each in json.loads(screen.out)["recommendations"]}
    assert set(found) == {"Oversized", "OtherGpu"}
    assert found["OtherGpu"]["why"].startswith(
        f"11.0 GPU h on {gpu} at 6.88 USD, 9 GiB of memory used, bound by input: NVIDIA-L4 at 0.80"
    )
    assert 0 < float(found["OtherGpu"]["usd"]) < 75.68


def test_other_gpus_are_weighed_only_where_the_user_may_see_the_cluster() -> None:
    lines = [line("team-a", "digits", "H100", "Job", "Idle", "OnDemand", usd="40")]
    screen = Screen(MemoryCluster(ledger={"lines": lines}, denied=frozenset({"list_nodes"})))
    assert screen.run("cost", "--recommend") == 0
    assert "IdleGpus" in screen.out
    assert "other GPUs are not weighed" in screen.err
