"""What Grafana would only show as an empty or unreadable panel."""

import re
from collections.abc import Iterator

import promql_parser
import pytest

from dashboards import BOARDS
from dashboards.panels import WIDTH
from quartermaster.metrics import PREFIX, TABLE, Kind
from tests.support.boards import FILES, Json, Query, boards, filled, panels, queries, times

HISTOGRAM = ("_bucket", "_count", "_sum")
TARGET = {"instance", "job"}
"""Labels that Prometheus gives whatever it scrapes."""
LABELS: dict[str, set[str]] = {}
for _metric in TABLE:
    if _metric.kind is Kind.HISTOGRAM:
        for _suffix in HISTOGRAM:
            _more = {"le"} if _suffix == "_bucket" else set()
            LABELS[PREFIX + _metric.name + _suffix] = {*_metric.labels, *_more}
    else:
        LABELS[PREFIX + _metric.name] = set(_metric.labels)
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
LABELS |= {name: set() for name in PROCESS}

QUERIES = list(queries())
EACH_QUERY = pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
EACH_BOARD = pytest.mark.parametrize("board", boards().values(), ids=boards().keys())
EACH_PANEL = pytest.mark.parametrize(
    "panel",
    [panel for board in boards().values() for panel in panels(board)],
    ids=lambda panel: panel["title"],
)
CHOSEN = {"namespace": "team", "job": "digits", "queue": "research", **times(3600, 15)}


def parsed(query: Query) -> promql_parser.Expr:
    return promql_parser.parse(filled(query.expression, CHOSEN))


def nodes(expression: promql_parser.Expr) -> Iterator[promql_parser.Expr]:
    found: list[promql_parser.Expr] = []
    promql_parser.walk(expression, pre_visit=lambda node: found.append(node) or None)
    yield from found


def selectors(expression: promql_parser.Expr) -> Iterator[promql_parser.VectorSelector]:
    for node in nodes(expression):
        if isinstance(node, promql_parser.MatrixSelector):
            yield node.vector_selector
        elif isinstance(node, promql_parser.VectorSelector):
            yield node


def grouped_by(node: promql_parser.Expr) -> set[str]:
    """The labels that an aggregation or a join names."""
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
        return set(node.modifier.labels)
    if isinstance(node, promql_parser.BinaryExpr) and node.modifier:
        on = node.modifier.matching.labels if node.modifier.matching else []
        return {*on, *(node.modifier.group_labels or [])}
    return set()


def made(expression: promql_parser.Expr) -> set[str]:
    """Labels that `label_replace` gives."""
    calls = [node for node in nodes(expression) if isinstance(node, promql_parser.Call)]
    return {str(call.args[1].val) for call in calls if call.func.name == "label_replace"}


def test_there_are_eight_and_the_files_are_theirs() -> None:
    assert {path.stem for path in FILES} == {board.name for board in BOARDS}
    assert len(FILES) == 8
    assert len(QUERIES) > 100


@EACH_QUERY
def test_a_query_asks_for_what_the_operator_exports(query: Query) -> None:
    expression = parsed(query)
    asked = list(selectors(expression))
    assert asked
    for selector in asked:
        assert selector.name in LABELS, f"nobody exports {selector.name}"
        named = {matcher.name for matcher in selector.matchers.matchers}
        assert named <= LABELS[selector.name], f"{selector.name} has no {named}"
    there = set().union(*(LABELS[one.name] for one in asked), made(expression), TARGET)
    for node in nodes(expression):
        assert grouped_by(node) <= there


@EACH_QUERY
def test_a_series_is_named_by_labels_that_it_has(query: Query) -> None:
    legend = query.target.get("legendFormat", "")
    words = set(re.findall(r"\{\{(\w+)\}\}", legend))
    expression = parsed(query)
    grouped = set().union(*(grouped_by(node) for node in nodes(expression)), made(expression))
    assert words <= grouped | TARGET


@EACH_QUERY
def test_a_variable_in_a_query_is_one_of_its_dashboard(query: Query) -> None:
    ours = {one["name"] for one in boards()[query.board]["templating"]["list"]}
    for name in re.findall(r"\$\{?(\w+)\}?", query.expression):
        assert name.startswith("__") or name in ours


@EACH_BOARD
def test_data_comes_from_the_source_that_the_reader_has_chosen(board: Json) -> None:
    """The sidecar fills no `__inputs`, and an address in a file fits one Grafana only."""
    assert "__inputs" not in board
    (source,) = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    assert (source["name"], source["query"]) == ("datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(board):
        assert panel["datasource"] == chosen
        assert [target["datasource"] for target in panel["targets"]] == [chosen] * len(
            panel["targets"]
        )
    for variable in board["templating"]["list"]:
        assert variable is source or variable["datasource"] == chosen


@EACH_PANEL
def test_a_panel_says_what_it_is_for_in_a_sentence_and_in_which_unit(panel: Json) -> None:
    assert panel["title"]
    assert re.fullmatch(r"[A-Z0-9].{20,200}\.", panel["description"])
    assert panel["fieldConfig"]["defaults"]["unit"]


@EACH_BOARD
def test_panels_lie_side_by_side(board: Json) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= WIDTH
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


@EACH_BOARD
def test_panels_of_a_dashboard_have_numbers_of_their_own(board: Json) -> None:
    titles = [panel["title"] for panel in panels(board) if panel["type"] == "timeseries"]
    assert len(set(titles)) == len(titles)
    numbers = [panel["id"] for panel in board["panels"] if "id" in panel]
    assert len(set(numbers)) == len(numbers)


def test_each_dashboard_is_found_by_its_own_uid_and_by_the_common_tag() -> None:
    made_of = [(board["uid"], board["tags"]) for board in boards().values()]
    assert len({uid for uid, _ in made_of}) == len(FILES)
    assert all(tags == ["quartermaster"] for _, tags in made_of)


def test_links_lead_to_dashboards_and_variables_that_are_there() -> None:
    by_uid = {board["uid"]: board for board in boards().values()}
    texts = [path.read_text() for path in FILES]
    found = {link for text in texts for link in re.findall(r'"url": "(/d/[^"]+)"', text)}
    assert found
    for link in found:
        uid, _, query = link.removeprefix("/d/").partition("?")
        variables = {one["name"] for one in by_uid[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query)) <= variables


def test_a_configmap_has_room_for_each_and_the_release_for_all() -> None:
    """An object in etcd may have 1 MiB; Helm keeps the chart's files in one, compressed."""
    sizes = [path.stat().st_size for path in FILES]
    assert max(sizes) < 200_000
    assert sum(sizes) < 500_000
