"""The cache of built programs."""

from pathlib import Path

import pytest

from devcluster.local.binaries import Module, cache_key

ROOT = Module(".", ("one",), "-X version=1")
OTHER = Module("other", ("two",))


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    for folder in (tmp_path, tmp_path / "other"):
        (folder / "go.mod").write_text("module m\n")
        (folder / "go.sum").write_text("sum\n")
    return tmp_path


def test_the_same_modules_have_the_same_key(sources):
    assert cache_key(sources, (ROOT, OTHER)) == cache_key(sources, (ROOT, OTHER))


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "other/go.mod", "other/go.sum"])
def test_any_changed_file_changes_the_key(sources, name):
    before = cache_key(sources, (ROOT, OTHER))
    (sources / name).write_text("changed\n")
    assert cache_key(sources, (ROOT, OTHER)) != before


def test_changed_linker_flags_change_the_key(sources):
    restamped = Module(".", ("one",), "-X version=2")
    assert cache_key(sources, (ROOT,)) != cache_key(sources, (restamped,))
