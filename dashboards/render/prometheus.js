// What Grafana's Prometheus data source does: asks the queries of a panel, and makes frames of the answers.

import { FieldType, rangeUtil, toDataFrame } from "@grafana/data";

const REFERENCE = /\$\{?(\w+)\}?/g;

/** One question to Prometheus's HTTP API; throws what Prometheus says of a query that is wrong. */
export async function asked(address, path, parameters) {
  const url = `${address}/api/v1/${path}?${new URLSearchParams(parameters)}`;
  const answer = await (await fetch(url)).json();
  if (answer.status !== "success") {
    throw new Error(`${answer.error} in ${parameters.query ?? parameters["match[]"]}`);
  }
  return answer.data;
}

/** Values of a dashboard's variables: those that were given, else all, else the first that there is. */
export async function chosen(board, address, range, given) {
  const values = { datasource: "prometheus" };
  for (const variable of board.templating.list) {
    if (variable.type !== "query") continue;
    if (given[variable.name]) {
      values[variable.name] = given[variable.name];
    } else if (variable.includeAll) {
      values[variable.name] = variable.allValue;
    } else {
      const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(variable.query);
      const match = filled(selector, values);
      const when = { start: range.from.unix(), end: range.to.unix() };
      const found = await asked(address, `label/${label}/values`, { "match[]": match, ...when });
      values[variable.name] = found[0] ?? "";
    }
  }
  return values;
}

/** A text with the values of its variables. */
export function filled(text, values) {
  return text.replace(REFERENCE, (whole, name) => values[name] ?? whole);
}

/** The frames of a panel that is so many pixels wide. */
export async function frames(panel, address, range, values, width) {
  const { interval, intervalMs } = rangeUtil.calculateInterval(range, width, panel.interval);
  const seconds = Math.round((range.to.valueOf() - range.from.valueOf()) / 1000);
  const own = {
    __range: `${seconds}s`,
    __range_s: seconds,
    __interval: interval,
    __interval_ms: intervalMs,
    __rate_interval: `${Math.max(60, (4 * intervalMs) / 1000)}s`,
  };
  const answers = await Promise.all(
    panel.targets.map((target) => answer(target, address, range, { ...values, ...own }, intervalMs)),
  );
  const several = panel.targets.length > 1;
  return answers.flatMap(({ target, series }) =>
    target.format === "table" ? [asTable(target, series, several)] : asSeries(target, series),
  );
}

async function answer(target, address, range, values, intervalMs) {
  const query = filled(target.expr, values);
  const step = intervalMs / 1000;
  // Grafana asks for whole steps, so that a picture does not flicker when time goes on.
  const end = Math.floor(range.to.unix() / step) * step;
  const start = Math.floor(range.from.unix() / step) * step;
  const data = target.instant
    ? await asked(address, "query", { query, time: range.to.unix() })
    : await asked(address, "query_range", { query, start, end, step });
  const series = data.result.map((one) => ({ ...one, values: one.values ?? [one.value] }));
  return { target, series };
}

function asSeries(target, series) {
  return series.map(({ metric, values }) =>
    toDataFrame({
      refId: target.refId,
      fields: [
        { name: "Time", type: FieldType.time, values: values.map(([at]) => at * 1000) },
        {
          name: "Value",
          type: FieldType.number,
          labels: metric,
          config: { displayNameFromDS: named(target, metric) },
          values: values.map(([, value]) => Number(value)),
        },
      ],
    }),
  );
}

function named(target, metric) {
  const pattern = target.legendFormat;
  return pattern
    ? pattern.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? "").trim()
    : undefined;
}

function asTable(target, series, several) {
  const labels = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort();
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: FieldType.time, values: series.map((one) => one.values[0][0] * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: series.map((one) => one.metric[label] ?? ""),
      })),
      {
        name: several ? `Value #${target.refId}` : "Value",
        type: FieldType.number,
        values: series.map((one) => Number(one.values[0][1])),
      },
    ],
  });
}
