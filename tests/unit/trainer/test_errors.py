"""The table of ends: codes, classes, and the termination message."""

import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qm_trainer import errors
from qm_trainer.errors import Ending

TABLE = {
    64: "ConfigError",
    65: "DataError",
    70: "UserError",
    71: "Crash",
    74: "StorageError",
    75: "PeerLost",
    76: "Interrupted",
    79: "OutOfMemory",
}


class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


class DistBackendError(RuntimeError):
    """As torch calls what NCCL raises."""


def test_the_codes_are_the_contracts() -> None:
    assert {error.exit_code: error.__name__ for error in errors.CLASSES} == TABLE


@pytest.mark.parametrize("code", TABLE)
def test_a_code_and_a_name_lead_to_the_same_class(code: int) -> None:
    found = errors.of_code(code, "why")
    assert found is not None
    assert type(errors.of_name(found.kind, "why")) is type(found)


def test_a_scripts_own_code_is_no_class_of_ours() -> None:
    assert errors.of_code(3, "why") is None


GLOO = (
    "[/__w/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:40871: "
    "Connection reset by peer. This is typically caused by a remote worker hanging."
)

RAISED: list[tuple[BaseException, bool, str]] = [
    (RuntimeError(GLOO), True, "PeerLost"),
    (DistBackendError("NCCL error"), False, "PeerLost"),
    (OutOfMemoryError("CUDA out of memory. Tried to allocate"), True, "OutOfMemory"),
    (MemoryError(), True, "OutOfMemory"),
    (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory"), False, "OutOfMemory"),
    (OSError(errno.ENOSPC, "No space left on device"), True, "StorageError"),
    (ValueError("a mistake"), False, "UserError"),
    (ValueError("a mistake"), True, "Crash"),
    (OSError(errno.ECONNRESET, "Connection reset by peer"), True, "Crash"),
    (errors.DataError("no data"), True, "DataError"),
]


@pytest.mark.parametrize(("error", "stepped", "want"), RAISED)
def test_what_is_raised_has_a_class(error: BaseException, stepped: bool, want: str) -> None:
    assert errors.classify(error, stepped=stepped).kind == want


def test_gloos_words_are_cut_to_what_a_person_needs() -> None:
    sentence = str(errors.classify(RuntimeError(GLOO), stepped=True))
    want = "Read error [127.0.0.1]:40871: Connection reset by peer"
    assert sentence == f"another worker went away: {want}"


def test_the_users_own_line_is_named() -> None:
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{")
    assert "test_errors.py:" in str(errors.classify(caught.value, stepped=True))


@given(st.text(max_size=6000), st.text(max_size=9000))
def test_a_termination_message_is_json_and_never_too_long(message: str, log: str) -> None:
    text = Ending("Crash", message, log).to_json()
    assert len(text.encode()) <= 4096
    told = json.loads(text)
    assert told["class"] == "Crash"
    assert message.startswith(told["message"])
    assert log.endswith(told["log"])


def test_the_last_lines_survive_the_first() -> None:
    told = json.loads(Ending("Crash", "why", "first\n" + "x" * 5000 + "\nlast").to_json())
    assert told["log"].endswith("last")
    assert told["message"] == "why"
