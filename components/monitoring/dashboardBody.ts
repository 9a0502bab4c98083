/**
 * A CloudWatch dashboard made of the tables of metrics, alarms and charts, as "Dashboard Body Structure and Syntax" of CloudWatch's
 * API reference describes it.
 */
import { metricNames, metrics, namespace, type MetricName } from "../../ops/monitor/metrics";
import { type Alarm, namespaceOf, type Place, severities, type Severity } from "./alarm";
import { chartOf, chartOfServer, charts, type ChartName, expressionChart, labels, questions } from "./dashboardCharts";

export interface DashboardInputs {
  /** The deployment's name: the metrics' dimension. */
  environment: string;
  rows: readonly Alarm[];
  /** ARN of each alarm, by its row's name. */
  arns: Readonly<Record<string, string>>;
  primary: WatchedServer;
  /** Default: there is none. */
  replica?: WatchedServer | undefined;
}

interface WatchedServer {
  region: string;
  identifier: string;
}

/** The grid's columns, and how three charts share a row of it. */
const [columns, chartWidth, chartHeight] = [24, 8, 6];

interface Widget {
  type: "alarm" | "metric" | "text";
  width: number;
  height: number;
  properties: object;
}

const severityTitles: Record<Severity, string> = {
  page: "Alarms that wake someone",
  ticket: "Alarms that can wait for the morning",
};

export function dashboardBody(inputs: DashboardInputs) {
  // Widgets of a row are of one size.
  const rows: Widget[][] = [
    severities.map((severity) => alarmWidget(severity, inputs)),
    ...Object.entries(questions).flatMap(([question, text]) => {
      const drawn = (Object.keys(charts) as ChartName[])
        .filter((chart) => charts[chart].question === question)
        .flatMap((chart) => metricWidget(chart, inputs));
      return drawn.length === 0 ? [] : [[heading(text)], ...inRows(drawn)];
    }),
  ];
  let y = 0;
  const widgets = rows.flatMap((row) => {
    const placed = row.map((widget, place) => ({ ...widget, x: place * widget.width, y }));
    y += row[0]?.height ?? 0;
    return placed;
  });
  // The last three hours, each graph at its own period, whatever the span that is looked at.
  return { start: "-PT3H", periodOverride: "inherit", widgets };
}

function inRows(widgets: readonly Widget[]): Widget[][] {
  const perRow = columns / chartWidth;
  return Array.from({ length: Math.ceil(widgets.length / perRow) }, (_, row) =>
    widgets.slice(row * perRow, (row + 1) * perRow),
  );
}

const heading = (text: string): Widget => ({
  type: "text",
  width: columns,
  height: 1,
  properties: { markdown: `## ${text}`, background: "transparent" },
});

function alarmWidget(severity: Severity, { rows, arns }: DashboardInputs): Widget {
  const alarms = rows.filter((row) => row.severity === severity).flatMap(({ name }) => arns[name] ?? []);
  return {
    type: "alarm",
    width: columns / severities.length,
    height: 6,
    // Those in ALARM first.
    properties: { title: severityTitles[severity], alarms, sortBy: "stateUpdatedTimestamp" },
  };
}

function metricWidget(chart: ChartName, inputs: DashboardInputs): Widget[] {
  const rows = inputs.rows.filter((row) => chartOfRow(row) === chart);
  const series = [
    ...metricNames.filter((name) => chartOf[name] === chart).flatMap((name) => ofMonitor(name, inputs)),
    ...ofServers(rows, inputs),
  ];
  if (series.length === 0) return [];
  // A row of samples counted is of no value that is drawn.
  const horizontal = rows.filter(({ statistic }) => statistic !== "SampleCount").map(threshold);
  return [
    {
      type: "metric",
      width: chartWidth,
      height: chartHeight,
      properties: {
        title: charts[chart].title,
        view: "timeSeries",
        stacked: chart === "receipts",
        region: inputs.primary.region,
        period: 60,
        metrics: series,
        yAxis: { left: { min: 0, showUnits: false, ...("unit" in charts[chart] && { label: charts[chart].unit }) } },
        ...(horizontal.length > 0 && { annotations: { horizontal } }),
      },
    },
  ];
}

/** The chart that an alarm's threshold is drawn on. */
export function chartOfRow({ measured }: Alarm): ChartName | undefined {
  if (measured.of === "monitor") return chartOf[measured.metric];
  return measured.expression === undefined ? chartOfServer[measured.metric] : expressionChart;
}

const threshold = ({ name, severity, threshold: value, comparison }: Alarm) => ({
  label: name,
  value,
  fill: comparison,
  color: severity === "page" ? "#d62728" : "#ff7f0e",
});

function ofMonitor(name: MetricName, { environment, replica, primary }: DashboardInputs): unknown[] {
  const metric = metrics[name];
  if (replica === undefined && charts[chartOf[name]].question === "replica" && name !== "SlotRetainedBytes") return [];
  const one = (dimensions: readonly string[], label: string) => [
    namespace,
    name,
    ...["Environment", environment, ...dimensions],
    { label, stat: metric.statistic, region: primary.region },
  ];
  if (!("by" in metric)) return [one([], metric.what)];
  return labels[metric.by].map((label: string) => one([metric.by, label], label));
}

/** What RDS publishes of the servers that a row is about; an expression is drawn in place of the metric that it is over. */
function ofServers(rows: readonly Alarm[], inputs: DashboardInputs): unknown[][] {
  const drawn = new Set<string>();
  return rows.flatMap(({ measured, place, statistic, period }): unknown[][] => {
    const server = inputs[place];
    if (measured.of !== "server" || server === undefined) return [];
    const { metric, expression } = measured;
    const key = `${place} ${metric} ${expression ?? ""}`;
    if (drawn.has(key)) return [];
    drawn.add(key);
    const { region, identifier } = server;
    const of = [namespaceOf(measured), metric, "DBInstanceIdentifier", identifier];
    if (expression === undefined) return [[...of, { label: place, stat: statistic, region }]];
    const id = idOf(place);
    return [
      [...of, { id, stat: statistic, period, region, visible: false }],
      [{ expression: expression.replaceAll("m1", id), label: place, id: `days_${id}`, period, region }],
    ];
  });
}

const idOf = (place: Place) => `of_${place}`;
