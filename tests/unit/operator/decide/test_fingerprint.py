"""A fingerprint is equal when steps are, and only then."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quartermaster.decide.fingerprint import StepShape, fingerprint

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
ARGS = st.dictionaries(st.text(min_size=1, max_size=8), JSON, max_size=4)
SHAPES = st.builds(
    StepShape,
    image=st.text(max_size=8),
    command=st.lists(st.text(max_size=4), max_size=3).map(tuple),
    env=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3),
    code=st.text(max_size=4),
    model=st.text(max_size=8),
    model_args=ARGS,
    dataset=st.text(max_size=8),
    dataset_args=ARGS,
    batch_size=st.integers(1, 10**6),
    precision=st.sampled_from(["Auto", "FP32", "BF16", "FP16"]),
    strategy=st.sampled_from(["Auto", "DDP", "FSDP"]),
)


def backwards(value: Any) -> Any:
    """The same JSON, with every object's keys in the other order."""
    if isinstance(value, dict):
        return {key: backwards(item) for key, item in reversed(value.items())}
    return [backwards(item) for item in value] if isinstance(value, list) else value


@given(SHAPES)
def test_the_order_in_which_arguments_were_written_does_not_matter(shape: StepShape) -> None:
    turned = replace(
        shape,
        env=backwards(shape.env),
        model_args=backwards(shape.model_args),
        dataset_args=backwards(shape.dataset_args),
    )
    assert fingerprint(turned) == fingerprint(shape)


@given(SHAPES, SHAPES)
def test_shapes_are_told_apart_exactly_when_they_differ_as_documents(
    one: StepShape, other: StepShape
) -> None:
    """1 and 1.0 and True are equal in Python, and other documents."""

    def document(shape: StepShape) -> str:
        fields = {name: getattr(shape, name) for name in StepShape.__slots__}
        return json.dumps(fields, sort_keys=True)

    same = document(one) == document(other)
    assert (fingerprint(one) == fingerprint(other)) is same


@given(SHAPES, st.sampled_from(StepShape.__slots__))
def test_every_field_counts(shape: StepShape, name: str) -> None:
    value = getattr(shape, name)
    changed: Any
    match value:
        case str():
            changed = value + "x"
        case int():
            changed = value + 1
        case tuple():
            changed = (*value, "x")
        case _:
            changed = {**value, "a further one": "x"}
    assert fingerprint(replace(shape, **{name: changed})) != fingerprint(shape)


def test_a_fingerprint_is_the_same_in_every_process_and_version() -> None:
    """Statuses keep it: changing how it is made forgets every profile, so it is a decision."""
    shape = StepShape(
        image="quartermaster/trainer:1",
        model="qm_trainer.zoo:resnet",
        model_args={"numClasses": 10},
        dataset="builtin://digits",
        batch_size=64,
        precision="Auto",
        strategy="Auto",
    )
    assert fingerprint(shape) == "c1bc4abdb0cba9c8"
