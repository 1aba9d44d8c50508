"""What goes wrong with a development cluster, said in one line.

DevclusterError
    CommandError    a program that was called failed
    ApiError        the Kubernetes API refused a request
"""


class DevclusterError(Exception):
    """A failure the user can act on: what is wrong, where, and what would be right."""


class CommandError(DevclusterError):
    """A program that was called ended with a failure."""


class ApiError(DevclusterError):
    """The Kubernetes API answered with an error.

    Attributes:
        status: HTTP status code of the answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
