"""What is shown while the demonstration runs: a live board on a terminal, lines elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from kubectl_qm.render.look import BAD, DIM, GOOD, STRONG
from quartermaster.units import duration

_PER_SECOND = 8
_PIPE_WIDTH = 200
_TIME_WIDTH = 7


class Screen(Protocol):
    """Shows the steps, and the job while it trains."""

    def __enter__(self) -> Self:
        """Begin to draw."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last picture."""
        ...

    def begin(self, title: str) -> None:
        """A step begins; the one before it went well."""
        ...

    def heard(self, line: str) -> None:
        """The running step said something."""
        ...

    def show_job(self, page: RenderableType, line: str, left: str) -> None:
        """The job as a page, the same in a line, and the time to its end if it is known."""
        ...

    def end(self) -> None:
        """The last step went well."""
        ...


@dataclass(slots=True)
class _Row:
    title: str
    began: float
    ended: float | None = None
    said: str = ""


class Board:
    """A terminal: the steps with their times, and below them the job."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()
        self._rows: list[_Row] = []
        self._job: RenderableType | None = None
        self._failed = False
        self._spinner = Spinner("dots", style=GOOD)
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=_PER_SECOND,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last picture."""
        self._failed = kind is not None
        self._live.stop()

    def begin(self, title: str) -> None:
        """A step begins; the one before it went well."""
        self.end()
        self._rows.append(_Row(title, self._clock()))

    def heard(self, line: str) -> None:
        """The running step said something."""
        self._rows[-1].said = line

    def show_job(self, page: RenderableType, line: str, left: str) -> None:
        """The job as a page, the same in a line, and the time to its end if it is known."""
        self._job = page
        self.heard(f"{line}, {left} left" if left else line)

    def end(self) -> None:
        """The last step went well."""
        if self._rows and self._rows[-1].ended is None:
            self._rows[-1].ended = self._clock()

    def _picture(self) -> RenderableType:
        now = self._clock()
        title = Text("Quartermaster demo", style=STRONG)
        title.append(f"  {duration(now - self._start)}", style=DIM)
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(width=1)
        grid.add_column(no_wrap=True, width=max((len(row.title) for row in self._rows), default=0))
        grid.add_column(justify="right", no_wrap=True, width=_TIME_WIDTH)
        grid.add_column(no_wrap=True, overflow="ellipsis", style=DIM, ratio=1)
        for row in self._rows:
            took = (row.ended or now) - row.began
            grid.add_row(self._mark(row), row.title, f"{took:.1f}s", Text(row.said))
        parts: list[RenderableType] = [title, Text(), grid]
        if self._job is not None:
            parts += [Text(), self._job]
        return Group(*parts)

    def _mark(self, row: _Row) -> RenderableType:
        if row.ended is not None:
            return Text("✓", style=GOOD)
        return Text("✗", style=BAD) if self._failed else self._spinner


class Lines:
    """No terminal: a line for each thing that happens, with the seconds since the start."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._start = clock()
        self._title = ""
        self._began = self._start
        self._last = ""

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to leave."""

    def begin(self, title: str) -> None:
        """A step begins; the one before it went well."""
        self.end()
        self._title, self._began = title, self._clock()

    def heard(self, line: str) -> None:
        """The running step said something; what it says twice in a row is written once."""
        if line != self._last:
            self._last = line
            self._write(f"{self._title}: {line}")

    def show_job(self, page: RenderableType, line: str, left: str) -> None:
        """The job's line; its page is for terminals, and a clock that runs down is no news."""
        del page
        if line != self._last:
            self._last = line
            self._write(f"{self._title}: {line}, {left} left" if left else f"{self._title}: {line}")

    def end(self) -> None:
        """The last step went well."""
        if self._title:
            self._write(f"{self._title}: done in {self._clock() - self._began:.1f}s")
            self._title = ""

    def _write(self, text: str) -> None:
        self._console.print(f"[{self._clock() - self._start:6.1f}s] {text}", soft_wrap=True)
        self._console.file.flush()


def console(*, width: int | None = None) -> Console:
    """The console for both: text as it stands, no guessing of colours."""
    made = Console(markup=False, emoji=False, highlight=False, width=width)
    return made if made.is_terminal or width else console(width=_PIPE_WIDTH)


def screen(console: Console, clock: Callable[[], float]) -> Screen:
    """The board on a terminal, lines elsewhere."""
    return Board(console, clock) if console.is_terminal else Lines(console, clock)
