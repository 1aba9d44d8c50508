"""Where things live."""

from pathlib import Path

import pytest

from devcluster import layout
from devcluster.errors import DevclusterError


def test_state_and_cache_follow_the_environment():
    found = layout.from_environment({"QM_STATE": "/s", "QM_CACHE": "/c"}, Path("/home/me"))
    assert (found.state, found.cache) == (Path("/s"), Path("/c"))


def test_an_empty_variable_counts_as_unset():
    found = layout.from_environment({"QM_STATE": ""}, Path("/home/me"))
    assert found.state == Path("/home/me/.local/state/quartermaster")


def test_a_state_directory_too_deep_for_sockets_is_refused_in_one_line():
    deep = "/" + "x" * 80
    with pytest.raises(DevclusterError, match="path of at most 60") as refusal:
        layout.from_environment({"QM_STATE": deep}, Path("/home/me"))
    assert "\n" not in str(refusal.value)
