"""What has to hold between the parts of a TrainingJob's spec."""

from quartermaster.api.rule import Rule
from quartermaster.domain.resources import GpuResource

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
