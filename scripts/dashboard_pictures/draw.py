"""One picture: a page of Grafana's panel components, in a headless browser."""

import hashlib
import html
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from dashboards.board import Board
from devcluster import layout
from devcluster.command import run

SOURCES = Path(__file__).resolve().parents[2] / "dashboards" / "render"
WIDTH = 1440
"""Of a picture [pixels]."""
PATIENCE_MS = 60_000
"""For a page's queries, in the browser's own time, which stands still while it waits [ms]."""
_ALIASES = ("data", "schema", "ui")
"""Parts of Grafana of which the CommonJS build is taken: the other one does not find its way into
a bundle, since what it imports is CommonJS too."""
_LOADERS = (
    "--loader:.svg=dataurl",
    "--loader:.png=dataurl",
    "--loader:.woff=dataurl",
    "--loader:.woff2=dataurl",
    "--loader:.ttf=empty",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a dashboard is drawn."""

    address: str
    """Of a Prometheus, as http://127.0.0.1:9090."""
    start: str | None = None
    """Seconds since 1970, or as `now-1h`; None means the dashboard's own range."""
    end: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of the dashboard's variables, by name."""


def draw(board: Board, asked: Asked, picture: Path) -> list[str]:
    """Write one picture; returns what went wrong on the page, such as a panel without data.

    Raises:
        CommandError: npm, node or chromium is missing or failed.
        SystemExit: The browser gave no page.
    """
    return _draw(board, asdict(asked), _bundle(), picture)


@cache
def _bundle() -> Path:
    """The folder with page.js and page.css, made anew; what npm fetches is kept by its lock."""
    key = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()[:12]
    modules = layout.current().cache / f"dashboards-render-{key}"
    if not (modules / "complete").exists():
        print(f"fetching Grafana's components into {modules}", file=sys.stderr)
        modules.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCES / name, modules)
        # No package's own scripts: none of them is needed to draw.
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=modules)
        (modules / "complete").touch()
    for source in SOURCES.glob("*.js*"):
        shutil.copy(source, modules)
    command = ["node_modules/.bin/esbuild", "page.jsx", "--bundle", "--minify", "--log-level=error"]
    command += ["--outfile=bundle/page.js", "--jsx=automatic", *_LOADERS]
    command += [
        f"--alias:@grafana/{one}=./node_modules/@grafana/{one}/dist/cjs/index.cjs"
        for one in _ALIASES
    ]
    run([*command, '--define:process.env.NODE_ENV="production"'], cwd=modules)
    return modules / "bundle"


def _draw(board: Board, asked: Mapping[str, object], bundle: Path, picture: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        told = json.dumps({"board": json.loads(board.text()), **asked}).replace("<", "\\u003c")
        page.write_text(
            '<!doctype html><html><head><meta charset="utf-8">'
            f'<link rel="stylesheet" href="{bundle}/page.css"></head><body><div id="root"></div>'
            f'<script>window.asked = {told};</script><script src="{bundle}/page.js"></script>'
            "</body></html>"
        )
        large = Path(folder) / "large.png"
        # First how tall it becomes, then the picture: a window has to be told its size.
        height, faults = _look(page, large, 1000)
        if height is not None:
            _, faults = _look(page, large, height)
        if not large.is_file() or height is None:
            raise SystemExit(f"error: {board.name} was not drawn: {faults}")
        run(["node", "smaller.js", large, picture.resolve()], cwd=bundle.parent)
    return faults


def _look(page: Path, picture: Path, height: int) -> tuple[int | None, list[str]]:
    """Take a picture; returns how tall the page wants to be [pixels], and what went wrong on it."""
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={page.parent}/profile", f"--window-size={WIDTH},{height}"]
    command += ["--allow-file-access-from-files", f"--virtual-time-budget={PATIENCE_MS}"]
    drawn = run([*command, f"--screenshot={picture}", "--dump-dom", page.as_uri()])
    tall = re.search(r'data-height="(\d+)"', drawn)
    found = re.search(r'data-faults="([^"]*)"', drawn)
    faults: list[str] = json.loads(html.unescape(found[1])) if found else ["nothing was drawn"]
    return int(tall[1]) if tall else None, faults
