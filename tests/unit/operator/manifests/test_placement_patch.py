"""The patch that gives a gated pod its node, applied as the API server would."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.adapters import documents
from quartermaster.api import meta
from quartermaster.domain.cluster import Capacity, Toleration
from quartermaster.domain.decision import Assignment
from quartermaster.domain.money.ledger import Held, Machine
from quartermaster.domain.worker import Worker
from quartermaster.manifests.held import (
    held_from_text,
    held_text,
    prices_from_text,
    prices_text,
    rate_from_text,
    rate_text,
)
from quartermaster.manifests.worker import placement_patch, pod_template
from tests.support import make


def pod(gates: tuple[str, ...] = (meta.PLACEMENT_GATE,)) -> dict[str, Any]:
    """A pod as the Job controller makes it from our template."""
    job = make.record("digits")
    made = pod_template(make.spec(), job.key, job.uid, trainer_image="i", progress_url="u")
    made["metadata"] |= {
        "name": "digits-0-x",
        "namespace": "team",
        "uid": "pod-uid",
        "creationTimestamp": "2026-11-23T10:00:00Z",
    }
    made["spec"]["schedulingGates"] = [{"name": name} for name in gates]
    return made


def worker_of(document: dict[str, Any]) -> Worker:
    found = documents.pod(document).worker
    assert found is not None
    return found


def assignment(rate: Fraction | None = Fraction(263, 500), *passes: Toleration) -> Assignment:
    return Assignment(0, "gpu-1", "pool", make.T4, Capacity.SPOT, rate, passes)


@pytest.mark.parametrize(
    "gates",
    [
        (meta.PLACEMENT_GATE,),
        ("other.example.com/gate", meta.PLACEMENT_GATE),
        (meta.PLACEMENT_GATE, "other.example.com/gate"),
    ],
)
def test_only_our_gate_is_taken_and_the_pod_is_on_its_node(gates: tuple[str, ...]) -> None:
    before = pod(gates)
    passes = (Toleration("team"), Toleration("kind", "gpu"))
    patch = placement_patch(worker_of(before), assignment(Fraction(3, 8), *passes))
    after = jsonpatch.apply_patch(deepcopy(before), patch)
    left = [gate["name"] for gate in after["spec"]["schedulingGates"]]
    assert left == [name for name in gates if name != meta.PLACEMENT_GATE]
    worker = worker_of(after)
    assert worker.usd_per_hour == Fraction(3, 8)
    assert worker.node == (None if left else "gpu-1")
    assert after["spec"]["tolerations"] == [
        *before["spec"]["tolerations"],
        {"key": "team", "operator": "Exists"},
        {"key": "kind", "operator": "Equal", "value": "gpu"},
    ]


def test_another_pod_of_the_name_is_refused() -> None:
    patch = placement_patch(worker_of(pod()), assignment())
    other = pod()
    other["metadata"]["uid"] = "a later pod"
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(other, patch)


def test_a_patch_that_was_applied_is_refused_the_second_time() -> None:
    patch = placement_patch(worker_of(pod()), assignment())
    after = jsonpatch.apply_patch(pod(), patch)
    with pytest.raises(jsonpatch.JsonPatchException):
        jsonpatch.apply_patch(after, patch)


def test_an_unknown_price_is_written_as_unknown() -> None:
    after = jsonpatch.apply_patch(pod(), placement_patch(worker_of(pod()), assignment(None)))
    assert after["metadata"]["annotations"][meta.PRICE_ANNOTATION] == "unknown"
    assert worker_of(after).usd_per_hour is None


RATES = st.none() | st.integers(0, 10**18).map(lambda nano: Fraction(nano, 10**9))
"""Those that the ledger can keep."""


@given(RATES)
def test_a_rate_is_read_as_it_was_written(rate: Fraction | None) -> None:
    assert rate_from_text(rate_text(rate)) == rate


WORDS = st.text(max_size=20)


@pytest.mark.parametrize("text", ["1/3", "1e999999999", "-1", "1/0", "0x1", "1e18", "\u0661"])
def test_a_rate_that_the_ledger_could_not_keep_is_unknown(text: str) -> None:
    assert rate_from_text(text) is None


@pytest.mark.parametrize("gpus", ["-1", "1e999999999", "1000001", "1/0"])
def test_an_amount_of_gpus_that_nobody_has_is_not_believed(gpus: str) -> None:
    told = json.loads(held_text(Held())) | {"gpus": gpus}
    assert held_from_text(json.dumps(told)) is None


GPUS = st.fractions(min_value=0, max_value=10**6, max_denominator=10**6)


@given(st.builds(Machine, st.just(""), *[WORDS] * 6), GPUS, RATES, WORDS)
def test_what_a_pod_holds_is_read_as_it_was_written(
    machine: Machine, gpus: Fraction, on_demand: Fraction | None, source: str
) -> None:
    held = Held(machine, gpus, on_demand, source)
    assert held_from_text(held_text(held)) == held


@given(st.lists(st.tuples(st.datetimes(timezones=st.just(UTC)), RATES), max_size=5))
def test_later_prices_are_read_as_they_were_written(
    prices: list[tuple[datetime, Fraction | None]],
) -> None:
    assert prices_from_text(prices_text(prices)) == tuple(sorted(prices, key=lambda it: it[0]))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '{"pool": 1}', '[["then", "1"]]', "[[1, 2]]", "[7]"]
)
def test_what_somebody_else_wrote_there_is_not_believed(text: str) -> None:
    assert held_from_text(text) is None
    assert prices_from_text(text) == ()


def test_a_placed_pod_says_what_it_holds() -> None:
    held = Held(Machine(pool="pool", capacity_type="Spot"), Fraction(2), Fraction(5), "list")
    patch = placement_patch(worker_of(pod()), assignment(), None, held)
    assert worker_of(jsonpatch.apply_patch(pod(), patch)).held == held
