"""Where a TrainingJob keeps its state: a volume or a bucket, how often, and how much of it."""

from typing import Annotated, ClassVar

from pydantic import Field

from quartermaster.api.base import SUBDOMAIN, ApiModel, ByteQuantity, Name, at_least
from quartermaster.api.rule import Keeps, Rule, matches

CLASS_OR_URI = Rule(
    message="checkpoint.storageClassName is for the claim that is made when checkpoint.uri is "
    "unset: give one of the two",
    holds=lambda checkpoint: checkpoint.uri is None or checkpoint.storage_class_name is None,
    cel="!has(self.uri) || !has(self.storageClassName)",
)
SECRET_FOR_S3 = Rule(
    message="checkpoint.secretName holds the keys to a bucket: give it with a uri of s3://",
    holds=lambda checkpoint: checkpoint.secret_name is None or is_in_s3(checkpoint.uri),
    cel="!has(self.secretName) || (has(self.uri) && self.uri.startsWith('s3://'))",
)


def is_in_s3(uri: str | None) -> bool:
    """Whether a checkpoint's uri names a bucket."""
    return uri is not None and uri.startswith("s3://")


class Checkpoint(ApiModel):
    """Where the run keeps its state, its metrics and its model."""

    RULES: ClassVar = (CLASS_OR_URI, SECRET_FOR_S3)

    uri: (
        Annotated[
            str,
            Field(max_length=512),
            Keeps(
                matches(
                    rf"^(pvc://{SUBDOMAIN}|s3://[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])"
                    "(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?$",
                    "must be pvc://CLAIM, pvc://CLAIM/PATH or s3://BUCKET/PATH, where no part of "
                    "the path begins with a dot",
                )
            ),
        ]
        | None
    ) = None
    """An existing claim, `pvc://CLAIM/PATH`, or a bucket, `s3://BUCKET/PATH`.

    Unset makes a claim named `JOB-artifacts`, which outlives the job."""
    secret_name: Name | None = None
    """A Secret in the job's namespace with the keys to the bucket, by AWS's own names.

    `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; if need be `AWS_SESSION_TOKEN`, `AWS_REGION`,
    and `AWS_ENDPOINT_URL` of a server that is not AWS's. Unset leaves it to the node's identity."""
    size: Annotated[ByteQuantity, Keeps(at_least("1Mi"))] = "10Gi"
    """Size of the claim that is made when `uri` is unset."""
    storage_class_name: Name | None = None
    """Storage class of that claim; unset means the cluster's default."""
    period_seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] | None = None
    """Time between checkpoints [s]; unset lets the trainer choose."""
    keep: Annotated[int, Field(strict=True, ge=1, le=100)] = 2
    """How many complete checkpoints are kept [count]."""
