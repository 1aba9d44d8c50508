"""The documents, taken apart: blocks of code and links, each with the line it stands on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\s*$")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page that is written by hand."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return top + sorted((ROOT / "docs").rglob("*.md"))


def blocks(language: str) -> list[Block]:
    return [block for page in pages() for block in _blocks(page) if block.language == language]


def _blocks(page: Path) -> Iterator[Block]:
    language: str | None = None
    began, lines = 0, list[str]()
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and language is None:
            language, began, lines = fence[1], number, []
        elif fence:
            yield Block(page, began, language or "", "\n".join(lines))
            language = None
        elif language is not None:
            lines.append(line)


def commands() -> list[tuple[str, str]]:
    """Each command of the bash blocks, and the ones after `$` in the console blocks."""
    found: list[tuple[str, str]] = []
    for block in blocks("bash"):
        joined = block.text.replace("\\\n", " ")
        found += [(block.where, line) for line in joined.splitlines() if line.strip()]
    for block in blocks("console"):
        lines = block.text.splitlines()
        found += [(block.where, line[2:]) for line in lines if line.startswith("$ ")]
    return found


def links(page: Path) -> list[str]:
    return [link for link in _LINK.findall(page.read_text()) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
