/** The dashboard for teams that scrape the monitor: the same charts and thresholds, over Prometheus' names, as Grafana's JSON model. */
import { metricNames, metrics, type MetricName } from "../../ops/monitor/metrics";
import { prometheusName } from "../../ops/monitor/prometheus";
import type { Alarm } from "./alarm";
import { chartOfRow } from "./dashboardBody";
import { chartOf, charts, type ChartName, questions } from "./dashboardCharts";

const [columns, width, height] = [24, 8, 7];

const datasource = { type: "prometheus", uid: "${datasource}" };

/** Grafana's names of the units that a chart can have. */
const units: Record<string, string> = {
  ...{ ms: "ms", seconds: "s", minutes: "m", hours: "h", days: "d" },
  ...{ bytes: "bytes", "%": "percent" },
};

export function grafanaDashboard(rows: readonly Alarm[]) {
  let [y, id] = [0, 0];
  const panels: object[] = [];
  for (const [question, title] of Object.entries(questions)) {
    const drawn = (Object.keys(charts) as ChartName[]).filter(
      (chart) => charts[chart].question === question && metricsOf(chart).length > 0,
    );
    const gridPos = { x: 0, y: y++, w: columns, h: 1 };
    panels.push({ id: ++id, type: "row", title, collapsed: false, gridPos, panels: [] });
    for (const [place, chart] of drawn.entries()) {
      const at = { x: (place * width) % columns, y: y + height * Math.floor((place * width) / columns) };
      panels.push({ id: ++id, ...panel(chart, rows), gridPos: { ...at, w: width, h: height } });
    }
    y += height * Math.ceil((drawn.length * width) / columns);
  }
  return {
    title: "Authensor's database",
    uid: "authensor-database",
    schemaVersion: 39,
    tags: ["authensor"],
    timezone: "utc",
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    annotations: { list: [] },
    templating: {
      list: [
        { name: "datasource", type: "datasource", query: "prometheus", label: "Data source" },
        {
          name: "environment",
          type: "query",
          label: "Environment",
          datasource,
          query: `label_values(${prometheusName("HeartbeatsWritten")}, environment)`,
          refresh: 1,
        },
      ],
    },
    panels,
  };
}

const metricsOf = (chart: ChartName): MetricName[] => metricNames.filter((name) => chartOf[name] === chart);

function panel(chart: ChartName, rows: readonly Alarm[]) {
  const definition: { title: string; unit?: string } = charts[chart];
  const limits = rows.filter((row) => chartOfRow(row) === chart && row.measured.of === "monitor");
  return {
    type: "timeseries",
    title: definition.title,
    description: limits.map(({ name, says }) => `${name}: ${says}`).join("\n\n"),
    datasource,
    targets: metricsOf(chart).map((name, index) => target(name, index)),
    fieldConfig: {
      defaults: {
        unit: units[definition.unit ?? ""] ?? "short",
        min: 0,
        custom: { thresholdsStyle: { mode: limits.length > 0 ? "dashed" : "off" } },
        thresholds: { mode: "absolute", steps: steps(limits) },
      },
      overrides: [],
    },
  };
}

function target(name: MetricName, index: number) {
  const metric = metrics[name];
  return {
    refId: String.fromCharCode(65 + index),
    datasource,
    expr: `${prometheusName(name)}{environment="$environment"}`,
    legendFormat: "by" in metric ? `{{${metric.by.toLowerCase()}}}` : metric.what,
  };
}

/** A base without a limit first, then upwards, as Grafana wants them. */
function steps(limits: readonly Alarm[]) {
  const drawn = limits.filter(({ statistic }) => statistic !== "SampleCount");
  const color = ({ severity }: Alarm) => (severity === "page" ? "red" : "orange");
  const sorted = [...drawn].sort((a, b) => a.threshold - b.threshold);
  return [{ color: "transparent", value: null }, ...sorted.map((row) => ({ color: color(row), value: row.threshold }))];
}
