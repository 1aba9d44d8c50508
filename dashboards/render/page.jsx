// A dashboard as a page: Grafana's own components, on the places that its JSON gives them.

import {
  FieldType,
  ThemeContext,
  applyFieldOverrides,
  createTheme,
  dateMath,
  dateTime,
  getFieldDisplayValues,
  transformDataFrame,
} from "@grafana/data";
import {
  BarGauge,
  BigValue,
  GlobalStyles,
  PanelChrome,
  Table,
  TimeSeries,
  VizRepeater,
} from "@grafana/ui";
import "@fontsource/inter/400.css";
import "@fontsource/inter/500.css";
import { createRoot } from "react-dom/client";
import { lastValueFrom } from "rxjs";

import { OPTIONS, registerTransformations, unknown } from "./fields.js";
import { chosen, filled, frames } from "./prometheus.js";

const CELL = 38;
const GAP = 8;
const HEAD = 44;
const PADDING = 16;
const THEME = createTheme({ colors: { mode: "dark" } });
const ZONE = "utc";

async function main() {
  const { board, address, start, end, variables } = window.asked;
  registerTransformations();
  // Texts are measured before they are drawn, so their font has to be there.
  await Promise.all([document.fonts.load("400 14px Inter"), document.fonts.load("500 14px Inter")]);
  const range = { from: parsed(start ?? board.time.from), to: parsed(end ?? board.time.to) };
  range.raw = { from: range.from, to: range.to };
  const values = await chosen(board, address, range, variables);
  const column = (window.innerWidth - 2 * PADDING + GAP) / 24;
  const faults = [];
  const drawn = await Promise.all(
    board.panels.map(async (panel) => {
      const at = placed(panel.gridPos, column);
      if (panel.type === "row") return <Heading key={panel.id} at={at} title={panel.title} />;
      faults.push(...unknown(panel).map((name) => `${panel.title}: ${name} is not drawn`));
      const data = await prepared(panel, address, range, values, at.width).catch((error) => {
        faults.push(`${panel.title}: ${error.message}`);
        return [];
      });
      if (!data.some((frame) => frame.length > 0)) faults.push(`${panel.title}: no data`);
      return <Panel key={panel.id} panel={panel} at={at} data={data} range={range} />;
    }),
  );
  const height = HEAD + Math.max(...board.panels.map((one) => placed(one.gridPos, column).bottom)) + PADDING;
  const shown = Object.entries(values).filter(([name]) => name !== "datasource");
  createRoot(document.getElementById("root")).render(
    <ThemeContext.Provider value={THEME}>
      <GlobalStyles />
      <div style={{ position: "relative", height, background: THEME.colors.background.canvas }}>
        <div style={{ position: "absolute", left: PADDING, top: 10, fontSize: 18, color: THEME.colors.text.primary }}>
          {board.title}
          {shown.map(([name, value]) => (
            <span key={name} style={{ marginLeft: 20, fontSize: 13, color: THEME.colors.text.secondary }}>
              {name}: {value === ".*" ? "All" : value.split("|").filter(Boolean).join(", ")}
            </span>
          ))}
        </div>
        {drawn}
      </div>
    </ThemeContext.Provider>,
  );
  // The one who takes the picture reads these: nothing may fail in silence.
  document.body.dataset.faults = JSON.stringify(faults);
  document.body.dataset.height = String(Math.ceil(height));
}

function parsed(text) {
  return /^\d+$/.test(text) ? dateTime(Number(text) * 1000) : dateMath.parse(text);
}

function placed({ x, y, w, h }, column) {
  const top = y * CELL;
  const height = h * CELL - GAP;
  return { left: PADDING + x * column, top: HEAD + top, width: w * column - GAP, height, bottom: top + height };
}

async function prepared(panel, address, range, values, width) {
  const raw = await frames(panel, address, range, values, Math.floor(width));
  const data = await lastValueFrom(transformDataFrame(panel.transformations ?? [], raw));
  return applyFieldOverrides({
    data,
    fieldConfig: { defaults: panel.fieldConfig.defaults, overrides: panel.fieldConfig.overrides ?? [] },
    fieldConfigRegistry: OPTIONS,
    replaceVariables: (text) => filled(text, values),
    theme: THEME,
    timeZone: ZONE,
  });
}

function Heading({ at, title }) {
  return (
    <div style={{ position: "absolute", left: at.left, top: at.top + 5, color: THEME.colors.text.primary, fontWeight: 500 }}>
      {title}
    </div>
  );
}

function Panel({ panel, at, data, range }) {
  const Drawn = DRAWN[panel.type];
  return (
    <div style={{ position: "absolute", left: at.left, top: at.top }}>
      <PanelChrome title={panel.title} description={panel.description} width={at.width} height={at.height}>
        {(width, height) =>
          data.some((frame) => frame.length > 0) ? (
            <Drawn panel={panel} data={data} range={range} width={width} height={height} />
          ) : (
            <div style={{ textAlign: "center", paddingTop: height / 2 - 12, color: THEME.colors.text.secondary }}>
              No data
            </div>
          )
        }
      </PanelChrome>
    </div>
  );
}

function displayed(panel, data) {
  const { defaults, overrides } = panel.fieldConfig;
  return getFieldDisplayValues({
    fieldConfig: { defaults, overrides: overrides ?? [] },
    reduceOptions: panel.options.reduceOptions,
    replaceVariables: (text) => text,
    theme: THEME,
    data,
    timeZone: ZONE,
  });
}

function Stat({ panel, data, width, height }) {
  const { colorMode, graphMode, justifyMode, textMode } = panel.options;
  return (
    <VizRepeater
      source={data}
      getValues={() => displayed(panel, data)}
      width={width}
      height={height}
      orientation="auto"
      renderValue={({ value, width, height, count }) => (
        <BigValue
          value={value.display}
          count={count}
          width={width}
          height={height}
          theme={THEME}
          colorMode={colorMode}
          graphMode={graphMode}
          justifyMode={justifyMode}
          textMode={textMode}
        />
      )}
    />
  );
}

function Bars({ panel, data, width, height }) {
  const { orientation, displayMode, namePlacement, showUnfilled, valueMode } = panel.options;
  return (
    <VizRepeater
      source={data}
      getValues={() => displayed(panel, data)}
      width={width}
      height={height}
      orientation={orientation}
      itemSpacing={10}
      minVizHeight={16}
      maxVizHeight={48}
      getAlignmentFactors={(values) => ({
        title: longest(values.map((one) => one.display.title ?? "")),
        text: longest(values.map((one) => one.display.text)),
        prefix: longest(values.map((one) => one.display.prefix ?? "")),
        suffix: longest(values.map((one) => one.display.suffix ?? "")),
      })}
      renderValue={({ value, width, height, alignmentFactors }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.display.display}
          width={width}
          height={height}
          orientation={orientation}
          theme={THEME}
          itemSpacing={10}
          lcdCellWidth={12}
          displayMode={displayMode}
          namePlacement={namePlacement}
          showUnfilled={showUnfilled}
          valueDisplayMode={valueMode}
          alignmentFactors={alignmentFactors}
        />
      )}
    />
  );
}

function longest(texts) {
  return texts.reduce((most, text) => (text.length > most.length ? text : most), "");
}

function Lines({ panel, data, range, width, height }) {
  return (
    <TimeSeries
      frames={data}
      timeRange={range}
      timeZone={ZONE}
      width={width}
      height={height}
      legend={{ calcs: [], ...panel.options.legend }}
    />
  );
}

function Rows({ panel, data, width, height }) {
  const [{ displayName, desc }] = panel.options.sortBy;
  return (
    <Table
      data={data.find((frame) => frame.fields.some((field) => field.type === FieldType.number))}
      width={width}
      height={height}
      cellHeight={panel.options.cellHeight}
      initialSortBy={[{ displayName, desc }]}
      timeRange={undefined}
    />
  );
}

const DRAWN = { stat: Stat, bargauge: Bars, timeseries: Lines, table: Rows };

function failed(error) {
  document.body.dataset.faults = JSON.stringify([String(error)]);
  delete document.body.dataset.height;
}

// A component that throws while it is drawn leaves an empty page.
window.addEventListener("error", (event) => failed(event.error ?? event.message));
main().catch(failed);
