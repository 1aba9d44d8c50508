"""How many processes make batches: more while steps wait for data and cores are there."""

WINDOW = 20
"""Steps that a number of processes is judged by [count]."""
SETTLING = 5
"""Steps after a change that do not count: the first batches are only being made [count]."""
WORTH_MORE = 0.02
"""Steps that wait for less than this share of their time have no need of more processes [1]."""
GAIN = 0.03
"""What more processes must take off a step to be kept [1]; less is the noise of a busy machine."""


class Tuner:
    """Doubles the processes while that shortens the steps; takes back what did not.

    Whether cores are free is not asked of the kernel: on a machine that also computes the model
    the load says little. What counts is whether a step, waiting and computing, got shorter.
    """

    def __init__(self, least: int, most: int) -> None:
        """`least` processes at the beginning, never more than `most` [count]."""
        self.workers = min(least, most)
        self._most = most
        self._before: tuple[int, float] | None = None
        self._seen = 0
        self._waited = self._took = 0.0
        self._settled = most == 0

    def after(self, waited: float, step: float) -> str:
        """Count a step; answers what is changed, in words, or an empty text.

        Args:
            waited: For its batch [s].
            step: All of it [s].
        """
        if self._settled:
            return ""
        self._seen += 1
        if self._seen <= SETTLING:
            return ""
        self._waited, self._took = self._waited + waited, self._took + step
        if self._seen < SETTLING + WINDOW:
            return ""
        share, mean = self._waited / max(self._took, 1e-12), self._took / WINDOW
        self._seen, self._waited, self._took = 0, 0.0, 0.0
        return self._judged(share, mean)

    def _judged(self, share: float, mean: float) -> str:
        before, self._before = self._before, None
        if before is not None and mean > before[1] * (1 - GAIN):
            tried, self.workers, self._settled = self.workers, before[0], True
            return f"{tried} processes make steps no shorter: back to {self.workers}"
        if share < WORTH_MORE:
            return ""
        if self.workers >= self._most:
            self._settled = True
            return ""
        self._before = (self.workers, mean)
        self.workers = min(self._most, max(1, 2 * self.workers))
        return (
            f"steps wait {100 * share:.0f} % of their time: {self.workers} process(es) make batches"
        )
