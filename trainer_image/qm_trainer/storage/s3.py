"""A bucket, as `s3://BUCKET/PREFIX` names it: how it is reached, and what its errors mean.

Without PyTorch, since the launcher asks it too. The keys are read from the environment by the
variables that AWS's own tools read, and are in no message.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store
from typing_extensions import override

from qm_trainer.errors import ConfigError, StorageError

SCHEME = "s3://"
RETRIES: dict[str, Any] = {
    "max_retries": 25,
    "retry_timeout": timedelta(minutes=3),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=10),
        "base": 2,
    },
}
"""Of one request: server errors, lost connections and time-outs are tried again for minutes, as a
service that restarts or throttles needs; what is refused is not."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where something lies in S3."""

    bucket: str
    prefix: str
    """Without slashes at its ends."""

    @override
    def __str__(self) -> str:
        """As users write it."""
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def below(self, path: str) -> "Address":
        """An address further down."""
        return Address(self.bucket, "/".join(part for part in (self.prefix, path) if part))


def parse(uri: str) -> Address:
    """Read `s3://BUCKET/PREFIX`.

    Raises:
        ConfigError: If it is nothing of the kind.
    """
    bucket, _, prefix = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or not bucket:
        raise ConfigError(f"checkpoint.uri must be s3://BUCKET/PREFIX, not {uri!r}")
    return Address(bucket, prefix.strip("/"))


def connect(
    address: Address, environment: Mapping[str, str], retries: Mapping[str, Any] = RETRIES
) -> S3Store:
    """What reads and writes below an address; nothing is sent yet.

    Args:
        address: The address.
        environment: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID` and the like.
        retries: When a request is tried again.

    Raises:
        ConfigError: If a variable cannot be what it says.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL", "")
    known = {
        "endpoint": endpoint or None,
        "region": environment.get("AWS_REGION"),
        "access_key_id": environment.get("AWS_ACCESS_KEY_ID"),
        "secret_access_key": environment.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": environment.get("AWS_SESSION_TOKEN"),
    }
    given: dict[str, Any] = {name: value for name, value in known.items() if value}
    try:
        return S3Store(
            address.bucket,
            prefix=address.prefix or None,
            client_options={"allow_http": endpoint.startswith("http://")},
            retry_config=dict(retries),  # type: ignore[arg-type]
            **given,
        )
    except (BaseError, ValueError, TypeError) as error:
        raise ConfigError(f"{address} cannot be reached as configured: {words(error)}") from error


def exists(store: S3Store, path: str, address: Address) -> bool:
    """Whether there is an object.

    Raises:
        StorageError: If nobody can tell.
    """
    with explained(address):
        try:
            obstore.head(store, path)
        except FileNotFoundError:
            return False
        return True


@contextmanager
def explained(address: Address) -> Iterator[None]:
    """Turn what goes wrong into one sentence.

    Raises:
        StorageError: What went wrong, in words.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError(f"{address}: {words(error)}") from error
    except BaseError as error:
        said = words(error)
        if "403" in said or "401" in said:
            raise StorageError(
                f"{address} refuses the keys: {said}; look at the Secret of checkpoint.secretName"
            ) from error
        raise StorageError(f"{address} does not answer as it should: {said}") from error


def words(error: Exception) -> str:
    """The sentence in an error of obstore, without the debugging print behind it."""
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:400]
