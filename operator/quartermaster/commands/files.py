"""Files that the user names; `-` is standard input."""

import sys
from pathlib import Path

from quartermaster.errors import SpecError


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        SpecError: It cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from error


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        SpecError: It cannot be read, or is no text.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not text in UTF-8: byte {error.start} is not") from error
