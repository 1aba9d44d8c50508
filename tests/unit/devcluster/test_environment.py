"""Python environments are known by what they hold."""

from devcluster.environment import cache_key


def test_changed_requirements_or_another_python_make_another_environment():
    first = cache_key(b"a==1", "3.11 linux")
    assert first == cache_key(b"a==1", "3.11 linux")
    assert len({first, cache_key(b"a==2", "3.11 linux"), cache_key(b"a==1", "3.12 linux")}) == 3
