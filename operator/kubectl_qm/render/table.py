"""Tables as kubectl draws them, that give up their least important columns in a narrow terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from kubectl_qm.render.look import DIM

GAP = 3
"""Between columns [count]."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what it is worth when there is no room for all."""

    header: str
    cells: Sequence[str | Text]
    rank: int = 0
    """The highest rank is dropped first; 0 is never dropped."""
    right: bool = False
    """Numbers are aligned to the right."""
    wraps: bool = False
    """A sentence, that is broken into lines rather than cut."""

    yields: bool = False
    """A remark, that is cut to the room that the others leave."""

    def longest(self) -> int:
        """The widest of its cells [columns]."""
        return max([cell_len(self.header), *(_cells(cell) for cell in self.cells)])

    def width(self) -> int:
        """What it would like [columns]; what can be broken or cut is content with 24."""
        return min(self.longest(), 24) if self.wraps or self.yields else self.longest()


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit, in their order; columns of rank 0 stay even when they do not."""
    kept = list(columns)
    while sum(column.width() + GAP for column in kept) - GAP > width:
        worst = max(kept, key=lambda column: column.rank)
        if worst.rank == 0:
            break
        kept.remove(worst)
    return kept


def table(columns: Sequence[Column], width: int) -> RenderableType:
    """A table without lines, headers dimmed, no wider than `width`."""
    kept = fitting(columns, width)
    drawn = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style=DIM)
    for column in kept:
        drawn.add_column(
            column.header,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
        )
    room = width - sum(column.width() + GAP for column in kept if not column.yields)
    for row in zip(*(_shown(column, room) for column in kept), strict=True):
        drawn.add_row(*row)
    return drawn


def _shown(column: Column, room: int) -> Iterator[Text]:
    """The cells, cut where the column yields; only one column of a table should."""
    for cell in column.cells:
        text = Text(cell) if isinstance(cell, str) else cell
        if column.yields:
            text.truncate(max(room, column.width()), overflow="ellipsis")
        yield text


class Trimmed:
    """A renderable without the blanks at its lines' ends, so that copies and pipes stay clean."""

    def __init__(self, content: RenderableType, width: int) -> None:
        self._content = content
        self._width = width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Renders line by line, cutting each line's tail."""
        narrowed = options.update(width=self._width)
        for line in console.render_lines(self._content, narrowed, pad=False):
            yield from _without_tail(line)
            yield Segment.line()


def _without_tail(line: list[Segment]) -> Iterator[Segment]:
    segments = list(line)
    while segments and not segments[-1].text.strip():
        segments.pop()
    yield from segments[:-1]
    if segments:
        last = segments[-1]
        yield Segment(last.text.rstrip(), last.style)


def _cells(cell: str | Text) -> int:
    return cell_len(cell) if isinstance(cell, str) else cell.cell_len
