"""What the user sees, line for line. QM_GOLDEN=write writes the files anew: look at the diff."""

import os
from pathlib import Path

import pytest

from tests.support import qm_make as make
from tests.support.qm_cluster import MemoryCluster
from tests.unit.cli.conftest import Screen

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"


def cluster() -> MemoryCluster:
    digits = make.training_job(status=make.running_status())
    vision = make.training_job("vision", status=make.failed_status())
    unpriced = {"priceSource": "Unknown", "unpricedSeconds": 540}
    interrupted = '{"class":"Interrupted","message":"SIGTERM: state saved at step 200"}'
    wrong = '{"class":"ConfigError","message":"zoo:resnt not found; did you mean resnet?"}'
    lost = '{"class":"PeerLost","message":"worker 1 went away"}'
    again = make.running_pod(1, lastState={"terminated": {"exitCode": 76, "message": interrupted}})
    gang = make.training_job(
        "gang",
        namespace="team-c",
        spec={"trainer": {"workers": 40}},
        status=make.running_status(workers="38/40", placement=None),
    )
    return MemoryCluster(
        jobs=[
            digits,
            gang,
            vision,
            make.training_job("translation-large", status=make.waiting_status(), age_s=450),
            make.training_job(
                "bert-base",
                status=make.complete_status(
                    prediction=make.prediction(), outcome=make.outcome()
                ),
                age_s=9000,
            ),
            make.training_job("fresh", age_s=3),
            make.training_job(
                "on-prem", namespace="team-b", status=make.running_status(cost=unpriced)
            ),
        ],
        pods=[
            *(make.pod(index, job=gang, node=f"node-{index}") for index in range(38)),
            make.pod(38, job=gang, status=make.ended_pod(137, "", "OOMKilled")),
            make.pod(39, job=gang, node="", status={"phase": "Pending"}),
            make.pod(0, job=digits),
            make.pod(1, job=digits, node="node-2", status=again),
            make.pod(0, job=vision, status=make.ended_pod(75, lost)),
            make.pod(1, job=vision, status=make.ended_pod(64, wrong)),
        ],
        events=[
            make.event("uid-team-a-translation-large", "Waiting", "1 GPU is free", count=12),
            make.event(
                "uid-team-a-translation-large", "Odd", "seen once", age_s=90, type="Warning"
            ),
        ],
        pools=[
            make.pool(
                status={
                    "nodes": 4, "gpus": 16, "gpusUsed": 9,
                    "conditions": [make.condition("Ready", "True", "Ready")],
                }
            ),
            make.pool("spare", spec={"prices": [], "nodeSelector": {}, "priceSource": ""}),
        ],
        queues=[
            queue("lab", 0, 0, usage("Tesla-T4", 12, 16, 0), usage("H100", 8, 8, 0)),
            queue("product", 0, 1, usage("Tesla-T4", 0, 8, 0), parent="lab", weight="2"),
            queue("research", 14, 3, usage("Tesla-T4", 12, 8, 4), parent="lab", borrowingLimit=4),
            make.queue(
                "orphan",
                spec={"parent": "gone"},
                status={
                    "conditions": [
                        make.condition(
                            "Active", "False", "Unusable",
                            "parent gone of ComputeQueue orphan is not there",
                        )
                    ],
                },
            ),
            make.queue("unseen"),
        ],
        budgets=[
            make.budget(status=spent("51.2034", 51, "4.1200", "83.0012", "Notify")),
            make.budget(
                "overspent",
                spec={"amount": "20", "period": "Day", "selector": {"queue": "research"}},
                status=spent("20.4410", 102, "0.0000", "20.4410", "Notify", "BlockNew"),
            ),
            make.budget(
                "unpriced",
                spec={"selector": {"matchLabels": {"team": "vision"}}, "suspend": True},
                status=spent("0.0000", 0, "0.0000", "0.0000")
                | {
                    "conditions": [
                        make.condition(
                            "Healthy", "Unknown", "PriceUnknown",
                            "a part of what 1 job cost has no known price and is not counted: "
                            "give their nodes a price in a ComputePool",
                        )
                    ]
                },
            ),
            make.budget("unseen", "team-b"),
        ],
    )  # fmt: skip


def spent(total: str, percent: int, rate: str, forecast: str, *actions: str) -> dict[str, object]:
    return {
        "spent": total, "percent": percent, "ratePerHour": rate, "forecast": forecast,
        "commitment": "120.0000", "actions": list(actions),
        "periodEnd": "2026-12-01T00:00:00Z",
        "conditions": [make.condition("Healthy", "True", "Counted")],
    }  # fmt: skip


def usage(model: str, gpus: int, nominal: int, borrowed: int) -> dict[str, object]:
    return {"accelerator": model, "gpus": gpus, "nominal": nominal, "borrowed": borrowed}


def queue(
    name: str, pending: int, admitted: int, *used: dict[str, object], **spec: object
) -> dict[str, object]:
    status = {
        "pending": pending, "admitted": admitted, "usage": list(used), "fairShare": "0.375",
        "conditions": [make.condition("Active", "True", "Usable")],
    }  # fmt: skip
    return make.queue(name, spec=spec, status=status)


SCENES = {
    "status": (120, "status"),
    "status-narrow": (60, "status"),
    "status-all-wide": (200, "status -A -o wide"),
    "status-running": (100, "status digits"),
    "status-running-narrow": (50, "status digits"),
    "status-failed": (100, "status vision"),
    "status-complete": (100, "status bert-base"),
    "status-fresh": (100, "status fresh"),
    "status-gang": (100, "status gang -n team-c"),
    "explain-waiting": (100, "explain translation-large"),
    "explain-failed": (100, "explain vision"),
    "explain-unobserved": (100, "explain fresh"),
    "cost": (120, "cost"),
    "cost-all": (120, "cost -A"),
    "cost-one-narrow": (40, "cost digits"),
    "pools": (100, "pools"),
    "queues": (120, "queues"),
    "queues-narrow": (50, "queues"),
    "budgets": (140, "budgets"),
    "budgets-all-narrow": (70, "budgets -A"),
}


@pytest.mark.parametrize("scene", SCENES)
def test_the_screen_shows(scene: str) -> None:
    width, words = SCENES[scene]
    screen = Screen(cluster(), width=width)
    screen.run(*words.split())
    check(f"{scene}.txt", screen.out)


@pytest.mark.parametrize(
    "scene", ["status", "explain", "cost", "pools", "queues", "budgets", "status-one"]
)
def test_a_program_reads(scene: str) -> None:
    words = {"explain": "explain vision", "status-one": "status digits"}.get(scene, scene)
    screen = Screen(cluster())
    screen.run(*words.split(), "-o", "json")
    check(f"{scene}.json", screen.out)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    screen = Screen(cluster(), encoding="ascii")
    screen.run("status", "digits")
    check("status-ascii.txt", screen.out)


@pytest.mark.parametrize("scene", [name for name, (_, words) in SCENES.items() if words])
def test_no_line_is_wider_than_the_terminal_or_ends_in_blanks(scene: str) -> None:
    width, words = SCENES[scene]
    screen = Screen(cluster(), width=width)
    screen.run(*words.split())
    for line in screen.out.splitlines():
        assert len(line) <= width
        assert line == line.rstrip()


def check(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("QM_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
