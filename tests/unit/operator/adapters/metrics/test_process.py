"""The operator itself as metrics, and what it hears."""

from typing import Any

from quartermaster import __version__
from quartermaster.adapters.cache import Cache
from quartermaster.adapters.metrics.process import HeardCache, ProcessCollector, Watches
from tests.support import make
from tests.support.memory import FakeClock
from tests.support.scraped import collected


def test_a_leader_tells_of_its_watches_and_its_work() -> None:
    watches = Watches(FakeClock(make.T0))
    watches.heard("pods")
    watched = {"pods": True, "nodes": False}
    found = collected(ProcessCollector(lambda: True, lambda: 7, watches, lambda: watched))
    assert found == {
        ("build_info", __version__): 1,
        ("leader",): 1,
        ("work_queue_depth",): 7,
        ("watch_up", "pods"): 1,
        ("watch_up", "nodes"): 0,
        ("watch_last_event_timestamp_seconds", "pods"): make.T0.timestamp(),
    }


def test_what_comes_into_a_cache_is_heard() -> None:
    def changed(value: Any, /, *, present: bool) -> None: ...

    clock = FakeClock(make.T0)
    watches = Watches(clock)
    cache: Cache[str] = Cache(lambda document: str(document["metadata"]["uid"]), changed)
    heard = HeardCache(cache, lambda: watches.heard("budgets"))
    heard.put({"metadata": {"uid": "a", "resourceVersion": "1"}})
    assert cache.get("a") == "a"
    assert watches.last() == {"budgets": make.T0.timestamp()}
    clock.advance(5)
    heard.drop("a")
    assert cache.get("a") is None
    assert watches.last() == {"budgets": make.after(5).timestamp()}
