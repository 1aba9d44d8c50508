"""The four kinds of panels. Each says in one sentence what it answers and what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, common, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import (
    DashboardLink,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.look import ALL, BAD, GOOD, SERIES, Steps, thresholds

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
USD, SHARE, SECONDS, COUNT, BYTES = "currencyUSD", "percentunit", "s", "short", "bytes"
Drawn = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel
FINEST = "15s"
"""Nobody scrapes more often: a finer step would only cost."""
NARROWEST = 80
"""Column of a table [pixels]; Grafana's own least is too wide for ours."""
WIDTH = 24
"""Columns of a dashboard [count]."""


@dataclass(frozen=True, slots=True)
class Line:
    """A query, and what its series are called."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A number in each row of a table."""

    title: str
    expression: str
    """One series a row, with the table's labels and no others."""
    unit: str = COUNT
    steps: Steps = ()
    gauge: bool = False
    """Whether a bar from 0 to 1 is drawn behind it."""


def number(
    title: str, expression: str, unit: str, says: str, *, steps: Steps = (), span: int = 4
) -> stat.Panel:
    """One number, now or over the range that is shown."""
    panel = stat.Panel().title(title).description(says).unit(unit).height(4).span(span)
    panel = panel.datasource(SOURCE).interval(FINEST).with_target(_now(Line(expression), "A"))
    panel = panel.graph_mode(options.BigValueGraphMode.NONE).reduce_options(_last())
    if not steps:
        return panel.color_mode(options.BigValueColorMode.NONE)
    panel = panel.color_mode(options.BigValueColorMode.VALUE)
    return panel.color_scheme(_by_steps()).thresholds(_scale(steps))


def yes_or_no(title: str, expression: str, says: str, *, span: int = 4) -> stat.Panel:
    """Whether something is so, of a metric that is 1 or 0: no is bad."""
    panel = number(title, expression, COUNT, says, steps=((ALL, BAD), (1.0, GOOD)), span=span)
    texts = {str(value): ValueMappingResult(text=text) for value, text in enumerate(("no", "yes"))}
    return panel.mappings([ValueMap(options=texts)])


def words(title: str, expression: str, label: str, says: str, *, span: int = 4) -> stat.Panel:
    """The value of a label, in large letters."""
    panel = number(title, expression, COUNT, says, span=span)
    named = _now(Line(expression, f"{{{{{label}}}}}"), "A")
    return panel.targets([named]).text_mode(options.BigValueTextMode.NAME)


def lines(
    title: str,
    queries: Sequence[Line],
    unit: str,
    says: str,
    *,
    top: float | None = None,
    span: int = 12,
) -> timeseries.Panel:
    """Series over time, from zero up; `top` is the axis's end."""
    panel = timeseries.Panel().title(title).description(says).unit(unit).min(0)
    panel = panel.height(8).span(span).datasource(SOURCE).interval(FINEST)
    for query, ref in zip(queries, _REFS, strict=False):
        asked = Dataquery().expr(query.expression).legend_format(query.legend or title)
        panel = panel.with_target(asked.range().ref_id(ref).datasource(SOURCE))
    panel = panel.line_width(2).fill_opacity(8).show_points(options.VisibilityMode.NEVER)
    panel = panel.color_scheme(_apart()).legend(_legend()).tooltip(_tooltip())
    if top is not None:
        panel = panel.max(top)
    for name, colour in _colours(queries):
        panel = panel.override_by_name(name, [_fixed(colour)])
    return panel


def areas(
    title: str,
    queries: Sequence[Line],
    unit: str,
    says: str,
    *,
    top: float | None = None,
    span: int = 12,
) -> timeseries.Panel:
    """Series over time that add up, one on top of the other, each as it was until it changed."""
    on_top = common.StackingConfig().mode(options.StackingMode.NORMAL).group("A")
    panel = lines(title, queries, unit, says, top=top, span=span).stacking(on_top)
    panel = panel.line_interpolation(options.LineInterpolation.STEP_AFTER)
    return panel.line_width(1).fill_opacity(60)


def bars(
    title: str, query: Line, unit: str, says: str, *, steps: Steps = (), span: int = 8
) -> bargauge.Panel:
    """One bar a series, from left to right; a share's ends at 100 %."""
    panel = bargauge.Panel().title(title).description(says).unit(unit).min(0)
    panel = panel.height(8).span(span).datasource(SOURCE).interval(FINEST)
    panel = panel.with_target(_now(query, "A")).reduce_options(_last())
    panel = panel.orientation(options.VizOrientation.HORIZONTAL)
    panel = panel.display_mode(options.BarGaugeDisplayMode.BASIC).show_unfilled(True)
    panel = panel.name_placement(options.BarGaugeNamePlacement.TOP)
    if unit == SHARE:
        panel = panel.max(1)
    if steps:
        return panel.color_scheme(_by_steps()).thresholds(_scale(steps))
    panel = panel.color_scheme(_apart())
    for name, colour in _colours([query]):
        panel = panel.override_by_name(name, [_fixed(colour)])
    return panel


def rows(
    title: str,
    labels: Sequence[str],
    columns: Sequence[Column],
    says: str,
    *,
    span: int = WIDTH,
    height: int = 8,
) -> table.Panel:
    """A table: one row for each set of labels, sorted by the first number, the largest above.

    Where `namespace` and `job` are among the labels, a job's name leads to its own dashboard.
    """
    panel = table.Panel().title(title).description(says).unit(COUNT)
    panel = panel.height(height).span(span).datasource(SOURCE).interval(FINEST)
    for column, ref in zip(columns, _REFS, strict=False):
        asked = _now(Line(column.expression), ref).format(PromQueryFormat.TABLE)
        panel = panel.with_target(asked)
    panel = panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(_named(labels, columns))
    for column in columns:
        panel = panel.override_by_name(column.title, _cell(column))
    if "job" in labels:
        panel = panel.override_by_name("Job", [DynamicConfigValue("links", [_TO_JOB])])
    panel = panel.min_width(NARROWEST)
    by_first = common.TableSortByFieldState().display_name(columns[0].title).desc(True)
    return panel.sort_by([by_first]).cell_height(options.TableCellHeight.SM)


_REFS = "ABCDEFGHIJ"
_TO_JOB = DashboardLink(
    title="This job",
    type_val=DashboardLinkType.LINK,
    url=(
        "/d/quartermaster-job?${__url_time_range}&var-datasource=${datasource}"
        "&var-namespace=${__data.fields.Namespace}&var-job=${__data.fields.Job}"
    ),
)


def _now(query: Line, ref: str) -> Dataquery:
    asked = Dataquery().expr(query.expression).instant().ref_id(ref).datasource(SOURCE)
    return asked.legend_format(query.legend) if query.legend else asked


def _legend() -> common.VizLegendOptions:
    found = common.VizLegendOptions().show_legend(True)
    found = found.display_mode(options.LegendDisplayMode.LIST)
    return found.placement(options.LegendPlacement.BOTTOM)


def _tooltip() -> common.VizTooltipOptions:
    found = common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI)
    return found.sort(options.SortOrder.DESCENDING)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _apart() -> FieldColor:
    """Colours in the order of the series: those by name are too alike beside each other."""
    return FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)


def _colours(queries: Sequence[Line]) -> Iterator[tuple[str, str]]:
    for query in queries:
        yield from SERIES.get(query.legend.strip("{}"), {}).items()


def _by_steps() -> FieldColor:
    return FieldColor().mode(FieldColorModeId.THRESHOLDS)


def _scale(steps: Steps) -> ThresholdsConfig:
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(thresholds(steps))


def _fixed(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


def _named(labels: Sequence[str], columns: Sequence[Column]) -> DataTransformerConfig:
    """Order and names of the columns; a lone query's values have no letter behind them."""
    lone = len(columns) == 1
    values = ["Value" if lone else f"Value #{ref}" for ref in _REFS[: len(columns)]]
    words = {label: label.replace("_", " ").capitalize() for label in labels}
    names = {label: word.replace("Gpu", "GPU") for label, word in words.items()}
    names |= {value: column.title for value, column in zip(values, columns, strict=True)}
    return DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate(names)},
            "renameByName": names,
        },
    )


def _cell(column: Column) -> list[DynamicConfigValue]:
    found = [DynamicConfigValue("unit", column.unit)]
    if column.steps:
        steps = [step.to_json() for step in thresholds(column.steps)]
        scale = {"mode": "absolute", "steps": [{"value": None, **step} for step in steps]}
        found += [
            DynamicConfigValue("thresholds", scale),
            DynamicConfigValue("color", {"mode": "thresholds"}),
        ]
    if column.gauge:
        look = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        found += [
            DynamicConfigValue("custom.cellOptions", look),
            DynamicConfigValue("min", 0),
            DynamicConfigValue("max", 1),
        ]
    elif column.steps:
        found.append(DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return found
