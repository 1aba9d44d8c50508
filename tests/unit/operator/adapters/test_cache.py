"""A cache keeps the newest of each object, and none that is gone."""

from typing import Any

from quartermaster.adapters.cache import Cache, Document


def document(uid: str, version: int, name: str = "") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version), "name": name or uid}}


class Seen:
    """Every change that was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []
        self.cache: Cache[str] = Cache(self.convert, self.changed)

    def convert(self, document: Document) -> str:
        return f"{document['metadata']['name']}@{document['metadata']['resourceVersion']}"

    def changed(self, value: str, /, *, present: bool) -> None:
        self.told.append((value, present))


def test_old_news_is_dropped_whichever_way_it_comes() -> None:
    seen = Seen()
    for version in (9, 10, 9, 10):
        seen.cache.put(document("a", version))
    assert seen.told == [("a@9", True), ("a@10", True)]


def test_a_new_list_replaces_everything() -> None:
    seen = Seen()
    for uid in ("a", "b"):
        seen.cache.put(document(uid, 1))
    seen.told.clear()
    seen.cache.replace({"b": document("b", 1), "c": document("c", 5)})
    assert sorted(seen.cache.values()) == ["b@1", "c@5"]
    assert seen.told == [("a@1", False), ("c@5", True)]


def test_dropping_what_is_not_there_is_nothing() -> None:
    seen = Seen()
    seen.cache.drop("a")
    assert seen.told == []


def test_a_late_answer_to_a_write_does_not_raise_the_dead() -> None:
    """The watch may tell of a deletion before the answer to an earlier patch is read."""
    seen = Seen()
    seen.cache.put(document("a", 10))
    seen.cache.drop("a")
    seen.cache.put(document("a", 11))
    assert list(seen.cache.values()) == []


def test_what_a_list_missed_may_come_again() -> None:
    """Made after the list was read: the watch tells of it next."""
    seen = Seen()
    seen.cache.put(document("a", 10))
    seen.cache.replace({})
    seen.cache.put(document("a", 10))
    assert list(seen.cache.values()) == ["a@10"]


def test_the_dead_are_forgotten_in_the_end() -> None:
    seen = Seen()
    for number in range(5000):
        seen.cache.put(document(f"uid-{number}", 1))
        seen.cache.drop(f"uid-{number}")
    assert len(seen.cache._gone) <= 4096
