"""TrainingJob: one training run, a gang of workers that starts whole or not at all."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StrictBool

from quartermaster.api.base import (
    ABOVE_ZERO,
    SUBDOMAIN,
    ApiModel,
    ByteQuantity,
    Decimal9,
    FreeForm,
    MapList,
    Name,
    PrintableText,
)
from quartermaster.api.budgets.limit import JobBudget
from quartermaster.api.placement import PLACEMENT_FIXED, Placement
from quartermaster.api.resources import Resources
from quartermaster.api.rule import Keeps, Rule, matches, unchangeable
from quartermaster.api.training.checkpoint import Checkpoint, is_in_s3
from quartermaster.domain.profile import Kernel
from quartermaster.domain.resources import GpuResource

KIND = "TrainingJob"
PLURAL = "trainingjobs"

_MODULE = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
_IMPORT_PATH = rf"{_MODULE}:[A-Za-z_][A-Za-z0-9_]*"

NAME_RULE = Rule(
    message="metadata.name must be at most 52 characters long: lower-case letters, digits and '-', "
    "beginning with a letter and ending with a letter or digit; pods are named after it",
    holds=lambda name: re.fullmatch("[a-z]([-a-z0-9]{0,50}[a-z0-9])?", name) is not None,
    cel="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$')",
)
"""52, so that the name of the Job, of its Service and of its thousandth pod are DNS labels too."""


class Precision(StrEnum):
    """The number format of forward and backward passes."""

    AUTO = "Auto"
    FP32 = "FP32"
    BF16 = "BF16"
    FP16 = "FP16"


class StrategyMode(StrEnum):
    """How a model is spread over the workers."""

    AUTO = "Auto"
    DDP = "DDP"
    FSDP = "FSDP"


class Model(ApiModel):
    """What is trained."""

    factory: Annotated[
        str,
        Field(max_length=253),
        Keeps(
            matches(
                f"^{_IMPORT_PATH}$",
                "must be the import path of a function, package.module:function, "
                "such as qm_trainer.zoo:resnet",
            )
        ),
    ]
    """Import path of a function that returns the model, `package.module:function`."""
    args: FreeForm = Field(default_factory=dict)
    """Keyword arguments for the factory, in camelCase; at most 32."""


class Dataset(ApiModel):
    """What it is trained on."""

    uri: Annotated[
        str,
        Field(max_length=1024),
        Keeps(
            matches(
                rf"^(builtin://[A-Za-z0-9][A-Za-z0-9_.-]*|file:///[^\x00]*|python://{_IMPORT_PATH})$",
                "must be builtin://NAME, file:///PATH or python://package.module:function, "
                "such as builtin://digits",
            )
        ),
    ]
    """Where the data is: `builtin://digits`, `file:///path`, or `python://module:function`.

    Built in are digits (1,797 images), fashion-mnist (70,000 images) and python-source (text). A
    file is an `.npz`, or text where its name ends in `.txt`."""
    args: FreeForm = Field(default_factory=dict)
    """Arguments for the data set's reader, in camelCase; at most 32."""


class EnvVar(ApiModel):
    """A plain environment variable."""

    name: Annotated[
        str,
        Field(max_length=128),
        Keeps(
            matches(
                "^[A-Za-z_][A-Za-z0-9_]*$",
                "must be a variable's name: letters, digits and '_', not beginning with a digit",
            ),
            Rule(
                message="names that begin with QM_ or PET_ are set by the operator: take another",
                holds=lambda name: not name.startswith(("QM_", "PET_")),
                cel="!self.startsWith('QM_') && !self.startsWith('PET_')",
            ),
        ),
    ]
    """The variable's name; names that begin with `QM_` or `PET_` are the operator's."""
    value: Annotated[str, Field(max_length=4096), PrintableText] = ""
    """Its value, as it stands."""


class Code(ApiModel):
    """The user's own Python files, without building an image."""

    config_map_name: Name
    """A ConfigMap in the job's namespace; its keys become files in /workspace, to be imported."""


class StepCosts(ApiModel):
    """What is known of a training step before the job has taken one; measured figures go first."""

    flops_per_sample: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000_000_000_000)]
    """Forward and backward, a fused multiply-add being two [FLOP].

    A transformer takes about six for each parameter and token."""
    parameters: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000_000_000)]
    """Of the model; their gradients are what the workers exchange [count]."""
    memory_traffic_per_sample: ByteQuantity | None = None
    """Moved between the GPU's memory and its cores, forward and backward [byte]."""
    kernel: Kernel = Kernel.MATMUL
    """What most of the arithmetic is done in; each reaches its own share of a GPU's peak."""


SHARDS_ARE_OF_FSDP = Rule(
    message="strategy.shards is for mode FSDP, or Auto, which then takes it: DDP splits nothing",
    holds=lambda strategy: strategy.shards is None or strategy.mode is not StrategyMode.DDP,
    cel="!has(self.shards) || self.mode != 'DDP'",
)


class Strategy(ApiModel):
    """How the work is spread."""

    RULES: ClassVar = (SHARDS_ARE_OF_FSDP,)

    mode: StrategyMode = StrategyMode.AUTO
    """`DDP` copies the model to every process, `FSDP` splits it over them.

    `Auto` takes `FSDP` where weights, gradients and AdamW's state would fill a GPU."""
    shards: Annotated[int, Field(strict=True, ge=1, le=8192)] | None = None
    """Processes that `FSDP` splits one copy of the model over [count]; unset: all of them.

    With fewer there are copies of it, and most messages stay among the processes of a copy."""
    tensor_parallel: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Processes that compute each sample together, with a part of each layer [count].

    The model has to say how its layers are cut. Best no more than one worker's GPUs."""


Argument = Annotated[str, Field(max_length=4096), PrintableText]
Word = Annotated[str, Field(min_length=1, max_length=4096), PrintableText]

DISTINCT_NAMES = Rule(
    message="a variable is named twice",
    # The API server tells it from the list's map key.
    holds=lambda env: len({variable.name for variable in env}) == len(env),
)


FEWER_THAN_ALL = Rule(
    message="minWorkers must not be larger than workers: the gang runs with minWorkers to workers",
    holds=lambda trainer: trainer.min_workers is None or trainer.min_workers <= trainer.workers,
    cel="!has(self.minWorkers) || self.minWorkers <= self.workers",
)
PARTS_ARE_ALONE = Rule(
    message="the built-in loop runs as one process on a part of a GPU, since NCCL does not join "
    "parts: set workers: 1 and resourcesPerWorker.gpus: 1, or bring your own with trainer.command",
    holds=lambda trainer: (
        trainer.resources_per_worker.gpu_partition is None
        or bool(trainer.command)
        or trainer.workers * trainer.resources_per_worker.gpus <= 1
    ),
    cel="!has(self.resourcesPerWorker) || !has(self.resourcesPerWorker.gpuPartition)"
    " || (has(self.command) && self.command.size() > 0)"
    " || self.workers * self.resourcesPerWorker.gpus <= 1",
)


LAYOUT_DIVIDES = Rule(
    message="strategy.tensorParallel times strategy.shards must divide the processes of the gang, "
    "one for each GPU of each worker; with minWorkers those of one worker",
    holds=lambda trainer: (
        (trainer.workers if trainer.min_workers is None else 1)
        * max(1, trainer.resources_per_worker.gpus)
        % (trainer.strategy.tensor_parallel * (trainer.strategy.shards or 1))
        == 0
    ),
    cel="!has(self.strategy) || (has(self.minWorkers) ? 1 : self.workers)"
    " * (has(self.resourcesPerWorker) && self.resourcesPerWorker.gpus > 0"
    " ? self.resourcesPerWorker.gpus : 1)"
    " % (self.strategy.tensorParallel * (has(self.strategy.shards) ? self.strategy.shards : 1))"
    " == 0",
)


class Trainer(ApiModel):
    """Who trains, and how."""

    RULES: ClassVar = (FEWER_THAN_ALL, PARTS_ARE_ALONE, LAYOUT_DIVIDES)

    image: Annotated[
        str,
        Field(max_length=512),
        Keeps(
            matches(
                "^([A-Za-z0-9][A-Za-z0-9._:/@-]*)?$",
                "must be the name of a container image, such as registry.example.com/train:1.2",
            )
        ),
    ] = ""
    """Container image; empty means the operator's own trainer image."""
    command: Annotated[list[Word], Field(max_length=32)] = Field(default_factory=list)
    """Run this instead of the built-in loop, for example `["torchrun", "/workspace/train.py"]`."""
    args: Annotated[list[Argument], Field(max_length=64)] = Field(default_factory=list)
    """Arguments behind `command`."""
    env: Annotated[list[EnvVar], Field(max_length=64), MapList("name"), Keeps(DISTINCT_NAMES)] = (
        Field(default_factory=list)
    )
    """Further environment variables."""
    code: Code | None = None
    """Own Python files from a ConfigMap."""
    workers: Annotated[int, Field(strict=True, ge=1, le=1024)] = 1
    """Worker pods in the gang [count]; all of them start, or none."""
    min_workers: Annotated[int, Field(strict=True, ge=1, le=1024)] | None = None
    """Fewest workers with which an elastic gang runs [count]; unset keeps it at `workers`.

    It starts with as many as have room, gives some up where others wait, and grows again."""
    resources_per_worker: Resources = Resources()
    """What each worker needs."""
    strategy: Strategy = Strategy()
    """How the work is spread over the workers."""
    gradient_accumulation: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 1
    """Parts in which a process computes its samples of a step, one after the other [count].

    It takes less memory for activations; what is learnt is the same."""
    activation_checkpointing: StrictBool = False
    """Whether blocks keep their inputs only and compute the rest again: less memory, more time.

    Blocks are the members of the model's lists that have parts of their own."""
    precision: Precision = Precision.AUTO
    """Number format; `Auto` takes BF16 where the hardware has it, else FP16, else FP32.

    FP16 scales the loss, and leaves out a step whose gradients are not finite."""
    epochs: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 1
    """Passes over the training set [count]."""
    batch_size: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 64
    """Samples per process and step [count]."""
    learning_rate: Annotated[Decimal9, Keeps(ABOVE_ZERO)] = "0.001"
    """Peak learning rate, a decimal string."""
    seed: Annotated[int, Field(strict=True, ge=0, le=2_147_483_647)] = 0
    """One seed for initialisation, shuffling and augmentation."""


class FailurePolicy(ApiModel):
    """What happens when a worker fails."""

    max_restarts: Annotated[int, Field(strict=True, ge=0, le=100)] = 3
    """How often one worker may fail before the job does; lost nodes and peers are not counted."""


COMMAND_OR_MODEL = Rule(
    message="give either model and dataset, or trainer.command",
    holds=lambda spec: (
        not (spec.model or spec.dataset)
        if spec.trainer.command
        else bool(spec.model and spec.dataset)
    ),
    cel="has(self.trainer.command) && self.trainer.command.size() > 0"
    " ? !has(self.model) && !has(self.dataset) : has(self.model) && has(self.dataset)",
)
ARGS_NEED_COMMAND = Rule(
    message="trainer.args needs trainer.command: "
    "the built-in loop takes its arguments from model.args and dataset.args",
    holds=lambda spec: not spec.trainer.args or bool(spec.trainer.command),
    cel="!has(self.trainer.args) || self.trainer.args.size() == 0"
    " || (has(self.trainer.command) && self.trainer.command.size() > 0)",
)


S3_IS_THE_LOOPS = Rule(
    message="a bucket is for the built-in loop: with trainer.command leave checkpoint.uri out or "
    "give pvc://, and let the command keep its own checkpoints in S3",
    holds=lambda spec: not spec.trainer.command or not is_in_s3(spec.checkpoint.uri),
    cel="!has(self.checkpoint.uri) || !self.checkpoint.uri.startsWith('s3://')"
    " || !has(self.trainer.command) || self.trainer.command.size() == 0",
)
LOOP_WITHOUT_GAUDI = Rule(
    message="the built-in loop does not train on habana.ai/gaudi: "
    "give trainer.command and an image that does",
    holds=lambda spec: (
        spec.trainer.resources_per_worker.gpu_resource is not GpuResource.GAUDI
        or bool(spec.trainer.command)
    ),
    cel="self.trainer.resourcesPerWorker.gpuResource != 'habana.ai/gaudi'"
    " || (has(self.trainer.command) && self.trainer.command.size() > 0)",
)


class TrainingJobSpec(ApiModel):
    """What the user asks for."""

    RULES: ClassVar = (
        COMMAND_OR_MODEL,
        ARGS_NEED_COMMAND,
        LOOP_WITHOUT_GAUDI,
        S3_IS_THE_LOOPS,
        unchangeable("model", optional=True),
        unchangeable("dataset", optional=True),
        unchangeable("trainer"),
        unchangeable("stepCosts", optional=True),
        *PLACEMENT_FIXED,
        unchangeable("checkpoint"),
        unchangeable("failurePolicy"),
        unchangeable("managedBy", optional=True),
    )

    model: Model | None = None
    """What is trained; required unless `trainer.command` is given."""
    dataset: Dataset | None = None
    """What it is trained on; required unless `trainer.command` is given."""
    trainer: Trainer = Trainer()
    """Who trains, and how."""
    step_costs: StepCosts | None = None
    """What a training step costs, so that already the first run is placed by speed."""
    placement: Placement = Placement()
    """Where the job may run."""
    checkpoint: Checkpoint = Checkpoint()
    """Where the run keeps its state, its metrics and its model."""
    failure_policy: FailurePolicy = FailurePolicy()
    """What happens when a worker fails."""
    budget: JobBudget | None = None
    """What the job may cost at most; unset is no limit."""
    suspend: StrictBool = False
    """True stops the workers after a checkpoint and frees their nodes; false lets them go on."""
    priority: Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)] = 0
    """Higher goes first in the queue."""
    active_deadline_seconds: Annotated[int, Field(strict=True, ge=1, le=31_536_000)] | None = None
    """Fail the job when it was active for longer than this [s]; suspending starts a new count."""
    ttl_seconds_after_finished: Annotated[int, Field(strict=True, ge=0, le=31_536_000)] | None = (
        None
    )
    """Delete the job this long after it ended [s]; its volume stays. Unset keeps it."""
    managed_by: (
        Annotated[
            str,
            Field(max_length=253),
            Keeps(
                matches(
                    rf"^{SUBDOMAIN}/[A-Za-z0-9._-]+$",
                    "must be a domain and a path, such as kueue.x-k8s.io/multikueue",
                )
            ),
        ]
        | None
    ) = None
    """Another controller that looks after this job; Quartermaster then leaves it alone."""
