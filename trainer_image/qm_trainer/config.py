"""The run's configuration: a frozen tree, read once, printed, and saved with the model.

Every fault is collected with its path (`trainer.batchSize`) before the first is answered. Unknown
fields are refused: a setting that is silently ignored is worse than one that is refused.
"""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

from qm_trainer.errors import ConfigError

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

Member = TypeVar("Member", bound=StrEnum)


class Precision(StrEnum):
    """In what numbers the model computes; weights and the optimizer stay in FP32."""

    AUTO = "Auto"
    FP32 = "FP32"
    BF16 = "BF16"
    FP16 = "FP16"


class Strategy(StrEnum):
    """How the model is spread over processes."""

    AUTO = "Auto"
    DDP = "DDP"
    """Every process holds the whole model."""
    FSDP = "FSDP"
    """Every process holds a part of weights, gradients and the optimizer's state."""


@dataclass(frozen=True, slots=True)
class Job:
    """Which TrainingJob this is."""

    namespace: str = "local"
    name: str = "local"
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """The callable that builds the model, and its arguments in camelCase."""

    factory: str
    args: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where the data is, and the source's own arguments in camelCase."""

    uri: str
    args: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Trainer:
    """How long, how fast, in what numbers."""

    epochs: int = 1
    batch_size: int = 64
    """Samples in one step of one process [sample]."""
    learning_rate: float = 1e-3
    """The peak of the schedule; it warms up to it and decays by a cosine."""
    precision: Precision = Precision.AUTO
    strategy: Strategy = Strategy.AUTO
    shards: int | None = None
    """Parts of the model under FSDP; None: as many as there are processes to hold them [count]."""
    tensor_parallel: int = 1
    """Processes that compute each sample together, with a part of each layer [count]."""
    gradient_accumulation: int = 1
    """Parts that a process computes its samples of a step in, one after the other [count]."""
    activation_checkpointing: bool = False
    """Whether blocks keep their inputs only, and compute again for backward."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """When to save, and how much to keep."""

    period_seconds: float | None = None
    """[s]; None: chosen from the measured cost of a save."""
    keep: int = 3
    """Complete checkpoints that are left [count]."""
    uri: str | None = None
    """`s3://BUCKET/PREFIX` of this run; None: the run's directory is kept itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that one run was asked to do."""

    model: Model
    dataset: Dataset
    job: Job = Job()
    trainer: Trainer = Trainer()
    checkpoint: Checkpoint = Checkpoint()

    def to_tree(self) -> dict[str, Json]:
        """The configuration as the contract writes it, defaults filled in."""
        trainer = self.trainer
        return {
            "job": {"namespace": self.job.namespace, "name": self.job.name, "uid": self.job.uid},
            "model": {"factory": self.model.factory, "args": dict(self.model.args)},
            "dataset": {"uri": self.dataset.uri, "args": dict(self.dataset.args)},
            "trainer": {
                "epochs": trainer.epochs,
                "batchSize": trainer.batch_size,
                "learningRate": repr(trainer.learning_rate),
                "precision": trainer.precision.value,
                "strategy": trainer.strategy.value,
                "shards": trainer.shards,
                "tensorParallel": trainer.tensor_parallel,
                "gradientAccumulation": trainer.gradient_accumulation,
                "activationCheckpointing": trainer.activation_checkpointing,
                "seed": trainer.seed,
            },
            "checkpoint": {
                "periodSeconds": self.checkpoint.period_seconds,
                "keep": self.checkpoint.keep,
                "uri": self.checkpoint.uri,
            },
        }


def snake_case(args: Mapping[str, Json]) -> dict[str, Json]:
    """`{"numClasses": 10}` as keyword arguments: `{"num_classes": 10}`."""
    return {
        re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower(): value for key, value in args.items()
    }


def parse(text: str) -> Run:
    """Read `QM_CONFIG`.

    Raises:
        ConfigError: With every fault and its path.
    """
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"the configuration is not JSON: {error}") from error
    faults: list[str] = []
    root = _Section("", tree, faults)
    run = _run(root)
    root.refuse_unknown()
    if faults:
        raise ConfigError("; ".join(faults))
    return run


def _run(root: "_Section") -> Run:
    job, model, dataset = root.section("job"), root.section("model"), root.section("dataset")
    trainer, checkpoint = root.section("trainer"), root.section("checkpoint")
    run = Run(
        job=Job(job.text("namespace", "local"), job.text("name", "local"), job.text("uid", "")),
        model=Model(model.text("factory"), model.mapping("args")),
        dataset=Dataset(dataset.text("uri"), dataset.mapping("args")),
        trainer=Trainer(
            epochs=trainer.whole("epochs", 1, least=1),
            batch_size=trainer.whole("batchSize", 64, least=1),
            learning_rate=trainer.positive("learningRate", 1e-3),
            precision=trainer.choice("precision", Precision.AUTO),
            strategy=trainer.choice("strategy", Strategy.AUTO),
            shards=trainer.whole_or_none("shards", least=1),
            tensor_parallel=trainer.whole("tensorParallel", 1, least=1),
            gradient_accumulation=trainer.whole("gradientAccumulation", 1, least=1),
            activation_checkpointing=trainer.flag("activationCheckpointing", default=False),
            seed=trainer.whole("seed", 0, least=0),
        ),
        checkpoint=Checkpoint(
            period_seconds=checkpoint.positive_or_none("periodSeconds"),
            keep=checkpoint.whole("keep", 3, least=1),
            uri=checkpoint.text("uri", "") or None,
        ),
    )
    for section in (job, model, dataset, trainer, checkpoint):
        section.refuse_unknown()
    return run


class _Section:
    """One object of the tree; wrong values become faults and their defaults, so reading goes on."""

    def __init__(self, path: str, value: Json, faults: list[str]) -> None:
        self._path, self._faults = path, faults
        self._seen: set[str] = set()
        if not isinstance(value, dict):
            faults.append(f"{path or 'the configuration'} must be an object, not {value!r}")
            value = {}
        self._value = value

    def section(self, key: str) -> "_Section":
        return _Section(self._name(key), self._get(key, {}), self._faults)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if isinstance(value, str) and (value or default == ""):
            return value
        self._fault(key, "must be a text that is not empty" if value is not None else "is missing")
        return ""

    def mapping(self, key: str) -> dict[str, Json]:
        value = self._get(key, {})
        if isinstance(value, dict):
            return value
        self._fault(key, f"must be an object, not {value!r}")
        return {}

    def whole(self, key: str, default: int, *, least: int) -> int:
        value = self._get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        self._fault(key, f"must be a whole number of at least {least}, not {value!r}")
        return default

    def whole_or_none(self, key: str, *, least: int) -> int | None:
        return None if self._get(key, None) is None else self.whole(key, least, least=least)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._get(key, default)
        if isinstance(value, bool):
            return value
        self._fault(key, f"must be true or false, not {value!r}")
        return default

    def positive(self, key: str, default: float) -> float:
        value = self._get(key, default)
        number = _number(value)
        if number is not None and 0 < number < float("inf"):
            return number
        self._fault(key, f'must be a positive number such as "0.001", not {value!r}')
        return default

    def positive_or_none(self, key: str) -> float | None:
        return None if self._get(key, None) is None else self.positive(key, 1.0)

    def choice(self, key: str, default: Member) -> Member:
        value = self._get(key, default.value)
        for member in type(default):
            if member.value == value:
                return member
        allowed = ", ".join(member.value for member in type(default))
        self._fault(key, f"must be one of {allowed}, not {value!r}")
        return default

    def refuse_unknown(self) -> None:
        for key in sorted(set(self._value) - self._seen):
            near = difflib.get_close_matches(key, self._seen, n=1)
            self._fault(key, f"is not known; did you mean {near[0]}?" if near else "is not known")

    def _get(self, key: str, default: Json) -> Json:
        self._seen.add(key)
        value = self._value.get(key)
        return default if value is None else value

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _fault(self, key: str, what: str) -> None:
        self._faults.append(f"{self._name(key)} {what}")


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        return float(value)
    except ValueError:
        return None
