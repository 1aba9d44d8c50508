"""Selectors of DeviceClasses: what matches, and what is not run."""

import time
from typing import Any

import pytest

from quartermaster.adapters.devices import selectors
from quartermaster.adapters.devices.selectors import MAX_CHARACTERS, answer, quantity, selector

NVIDIA = "gpu.nvidia.com"
GPU: dict[str, Any] = {
    "driver": NVIDIA,
    "attributes": {
        NVIDIA: {
            "type": "gpu",
            "productName": "NVIDIA H100 80GB HBM3",
            "index": 3,
            "healthy": True,
            "driverVersion": {"version": "565.57.1"},
        },
        "resource.kubernetes.io": {"pcieRoot": "pci0000:01"},
    },
    "capacity": {NVIDIA: {"memory": quantity("80Gi")}},
}
OWN = f"device.attributes['{NVIDIA}']"
MEMORY = f"device.capacity['{NVIDIA}'].memory"


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        (f"device.driver == '{NVIDIA}' && {OWN}.type == 'gpu'", True),
        (f"device.driver == '{NVIDIA}' && {OWN}.type == 'mig'", False),
        (f"device.driver == 'other' || {OWN}.index > 2", True),
        (f"{OWN}.healthy && !({OWN}.index in [0, 1])", True),
        (f"{OWN}.productName.lowerAscii().contains('h100')", True),
        (f"{OWN}.productName.matches('^NVIDIA [AH]100')", True),
        (f"{OWN}.productName.startsWith('NVIDIA') && {OWN}.productName.endsWith('2')", False),
        ("device.attributes['resource.kubernetes.io'].pcieRoot == 'pci0000:01'", True),
        (f"has({OWN}.nothing) ? true : {OWN}.index == 3", True),
        (f"{MEMORY}.compareTo(quantity('40Gi')) >= 0", True),
        (f"{MEMORY}.isGreaterThan(quantity('81920Mi'))", False),
        (f"{MEMORY}.isLessThan(quantity('100G'))", True),
        (f"{MEMORY} == quantity('81920Mi')", True),
        (f"{MEMORY}.compareTo(quantity('9999999E')) > 0", False),
        ("true", True),
        ("false", False),
    ],
)
def test_a_device_matches_by_what_it_says_of_itself(expression: str, matches: bool) -> None:
    assert answer(selector(expression), GPU) == selectors.Answer(matches)


@pytest.mark.parametrize(
    "expression",
    [
        "device.attributes['other'].type == 'gpu'",
        f"{OWN}.nothing == 'gpu'",
        f"{OWN}.index / 0 == 1",
        f"{MEMORY} > 5",
        f"{MEMORY}.compareTo(quantity('much')) > 0",
        f"{OWN}.type.compareTo(quantity('1')) > 0",
        f"{OWN}.productName.matches('(')",
        f"{OWN}.type",
        "device",
        "request.user == 'root'",
        "",
        "((",
        "device.driver ==",
        "semver('1.0.0').isLessThan(semver('2.0.0'))",
    ],
)
def test_what_fails_matches_nothing_and_says_why(expression: str) -> None:
    found = answer(selector(expression), GPU)
    assert not found.matches
    assert found.error
    assert "\n" not in found.error


LIST = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"


def nested(macro: str, depth: int = 9) -> str:
    opening = "".join(f"{LIST}.{macro}(x{index}, " for index in range(depth))
    return f"{opening}true{')' * depth}"


@pytest.mark.parametrize(
    "expression",
    [
        *(nested(macro) for macro in ("all", "exists", "exists_one", "map", "filter")),
        nested("all").replace(".all(", ". all // a remark\n ("),
        "'a' + 'a' == 'aa'",
        "'a'.matches('(a{1,300}){1,300}')",
        "true" + " " * MAX_CHARACTERS,
    ],
    ids=["all", "exists", "exists_one", "map", "filter", "remark", "sum", "pattern", "long"],
)
def test_what_could_take_long_is_not_run(expression: str) -> None:
    found = selector(expression)
    assert found.program is None
    assert found.refused.startswith("its selector ")
    assert not answer(found, GPU).matches


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", ")"), ("!", ""), ("-", ""), ("[", "]"), ("{1: ", "}"), ("size(", ")"), ("!(", ")"),
        ("true && ", ""), ("true ? true : ", ""), ("1 in [", "]"), ("device.", ""), ("1 == (", ")"),
        ("x.y(", ")"), ("has(", ")"), ("device[", "]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("core", ["true", "device.driver", "1"])
def test_what_is_nested_deeply_neither_crashes_nor_hangs(
    opening: str, closing: str, core: str
) -> None:
    began = time.process_time()
    for depth in (40, 130, (MAX_CHARACTERS - 20) // (len(opening) + len(closing))):
        assert answer(selector(opening * depth + core + closing * depth), GPU) is not None
    assert time.process_time() - began < 1.0
