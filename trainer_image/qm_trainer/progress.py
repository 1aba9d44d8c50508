"""Tells the operator how far training is: `progress.report(step=3, total_steps=10, loss=0.5)`.

A user's own script needs this one import. Without `QM_PROGRESS_URL`, or on any rank but 0, it does
nothing. Posting happens in a thread, at most once in two seconds, the newest state only; every
report carries totals, so a lost one is repaired by the next. It never slows training down and never
fails it.
"""

import atexit
import json
import logging
import math
import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

PERIOD_S = 2.0
"""Between two posts, by the contract [s]."""
TIMEOUT_S = 5.0
"""For one post [s]."""
LONGEST_PERIOD_S = 30.0
"""What the period grows to while the other side answers 429 [s]."""
FAREWELL_S = 10.0
"""How long the last report may take [s]."""
ANSWER_BYTES = 4096
"""Read of an answer; what is longer is nobody's [byte]."""
METRICS_LIMIT = 16
PROFILE_LIMIT = 32

_log = logging.getLogger("qm_trainer.progress")

_EMPTY: dict[str, Any] = {
    "schemaVersion": 1,
    "state": "Starting",
    "step": 0,
    "totalSteps": None,
    "epoch": 0,
    "loss": None,
    "samplesPerSecond": None,
    "stepSeconds": None,
    "secondsRemaining": None,
    "steppingSeconds": None,
    "metrics": {},
    "checkpoint": None,
    "model": None,
    "profile": None,
}
_NAMES = {
    "state": "state",
    "step": "step",
    "total_steps": "totalSteps",
    "epoch": "epoch",
    "loss": "loss",
    "samples_per_second": "samplesPerSecond",
    "step_seconds": "stepSeconds",
    "seconds_remaining": "secondsRemaining",
    "metrics": "metrics",
    "checkpoint": "checkpoint",
    "model": "model",
    "profile": "profile",
}


class Client:
    """Posts the newest of what it is given, from a thread of its own."""

    def __init__(
        self,
        url: str,
        token_file: Path | None,
        *,
        period_s: float = PERIOD_S,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._url, self._token_file = url, token_file
        self._period_s, self._shortest_s, self._timeout_s = period_s, period_s, timeout_s
        self._clock = clock
        # No proxy: the operator is inside the cluster, whatever the image's environment says.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._body: Mapping[str, Any] | None = None
        self._closing = self._hurry = False
        self._turn = threading.Condition()
        self._trouble = ""
        self.mean_between_interruptions_s: float | None = None
        """As the operator has told last, of where this run is [s]; None: it has not."""
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def send(self, body: Mapping[str, Any]) -> None:
        """Post `body` when its turn comes, unless a newer one has come by then."""
        with self._turn:
            self._body = body
            self._turn.notify()

    def close(self, timeout_s: float = FAREWELL_S) -> None:
        """Post what is not posted yet, at once, and try again if need be for `timeout_s` [s]."""
        with self._turn:
            self._closing = self._hurry = True
            self._turn.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        due = self._clock()
        while (body := self._next(due)) is not None:
            delivered = self._post(json.dumps(body).encode())
            due = self._clock() + self._period_s
            with self._turn:
                if self._closing and not delivered and self._body is None:
                    self._body = body

    def _next(self, due: float) -> Mapping[str, Any] | None:
        """What to post, when it is due; None at the end."""
        with self._turn:
            while self._body is None and not self._closing:
                self._turn.wait()
            while self._body and not self._hurry and (rest := due - self._clock()) > 0:
                self._turn.wait(rest)
            body, self._body = self._body, None
            self._hurry = False
            return body

    def _post(self, body: bytes) -> bool:
        request = urllib.request.Request(self._url, data=body, method="POST")  # noqa: S310 - http by contract
        request.add_header("Content-Type", "application/json")
        try:
            if self._token_file is not None:
                token = self._token_file.read_text().strip()
                request.add_header("Authorization", f"Bearer {token}")
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                self._hear(answer.read(ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            slower = error.code == 429
            self._period_s = (
                min(LONGEST_PERIOD_S, self._period_s * 2) if slower else self._shortest_s
            )
            self._say(f"HTTP {error.code}")
            return False
        except (OSError, ValueError) as error:
            self._say(str(error))
            return False
        self._period_s = self._shortest_s
        self._say("")
        return True

    def _hear(self, answer: bytes) -> None:
        """Take over what is said of interruptions; what cannot be read says nothing."""
        try:
            told = json.loads(answer)["meanSecondsBetweenInterruptions"] if answer else None
            mean = None if told is None else float(told)
        except (ValueError, TypeError, KeyError):
            return
        self.mean_between_interruptions_s = mean if mean and math.isfinite(mean) else None

    def _say(self, trouble: str) -> None:
        """One line when the trouble changes, not one a post."""
        if trouble and trouble != self._trouble:
            _log.warning("progress was not delivered (%s); training goes on", trouble)
        elif self._trouble and not trouble:
            _log.info("progress is delivered again")
        self._trouble = trouble


def _clean(value: Any, limit: int = METRICS_LIMIT) -> Any:
    """Numbers that are not finite become null, and objects keep their first entries."""
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in list(value.items())[:limit]}
    if isinstance(value, (str, int, type(None))):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


class Reporter:
    """Holds the state of the run as the contract writes it, and tells it if there is a listener."""

    def __init__(self, client: Client | None, clock: Callable[[], float] = monotonic) -> None:
        self._client = client
        self._clock = clock
        self._state = dict(_EMPTY)
        self._first: float | None = None

    @property
    def last(self) -> Mapping[str, Any]:
        """The newest report."""
        return dict(self._state)

    @property
    def mean_between_interruptions_s(self) -> float | None:
        """What the operator expects where this run is [s]; None where it has not told."""
        return None if self._client is None else self._client.mean_between_interruptions_s

    def stepping(self) -> None:
        """The first step of this life is done, or begun: what comes before it is starting."""
        if self._first is None:
            self._first = self._clock()

    def report(self, **fields: Any) -> None:
        """Take over the named fields; returns at once."""
        if fields.get("state", "Starting") != "Starting":
            self.stepping()
        if self._first is not None:
            self._state["steppingSeconds"] = round(self._clock() - self._first, 3)
        limits = {"profile": PROFILE_LIMIT}
        self._state |= {
            _NAMES[name]: _clean(value, limits.get(name, METRICS_LIMIT))
            for name, value in fields.items()
        }
        if self._client is not None:
            self._client.send(self.last)

    def close(self) -> None:
        """Send what is not sent yet."""
        if self._client is not None:
            self._client.close()
            self._client = None


def from_environment(environment: Mapping[str, str] = os.environ) -> Reporter:
    """A reporter as the contract's variables say."""
    url = environment.get("QM_PROGRESS_URL")
    if not url or environment.get("RANK", "0") != "0":
        return Reporter(None)
    token = environment.get("QM_PROGRESS_TOKEN_FILE")
    return Reporter(Client(url, Path(token) if token else None))


_shared: Reporter | None = None


def report(
    *,
    step: int,
    total_steps: int | None = None,
    loss: float | None = None,
    **fields: Any,
) -> None:
    """Tell how far a script of one's own is; call it as often as you like.

    Args:
        step: Optimizer steps done.
        total_steps: Of the whole run, if known.
        loss: The newest.
        fields: Any of `state`, `epoch`, `samples_per_second`, `step_seconds`, `seconds_remaining`,
            `metrics`, `checkpoint`, `model`, `profile`.
    """
    global _shared  # noqa: PLW0603 - one client a process, made when first needed
    if _shared is None:
        _shared = from_environment()
        atexit.register(_shared.close)
    state = fields.pop("state", "Training")
    _shared.report(state=state, step=step, total_steps=total_steps, loss=loss, **fields)


def leave(code: int = 0) -> NoReturn:
    """Send the last report and end this process, as the last line of a script.

    Gloo's threads may still hold a tensor of the last step, and an interpreter that takes itself
    apart meanwhile aborts now and then (pytorch/pytorch#179291); the worker would count as failed.
    """
    if _shared is not None:
        _shared.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
