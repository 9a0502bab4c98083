/** From a dashboard's body and what CloudWatch says to what the page draws. Decisions only. */
import type { MetricAlarm, MetricDataQuery, MetricDataResult } from "@aws-sdk/client-cloudwatch";
import type { DashboardBody, DrawnSeries, MetricWidget } from "../../../cloud/aws/cloudwatch/dashboard";
import type { AlarmNow, ChartWidget, Widget } from "../answers";

/** Whole periods, in seconds since 1970. */
export interface Span {
  from: number;
  to: number;
  period: number;
}

/** Points that a chart has at the most: more than that is finer than a screen. */
const mostPoints = 240;

/** The last so many seconds: whole minutes only, for one that is under way would look like less than it is. */
export function spanOf(seconds: number, now: number): Span {
  const period = Math.max(60, Math.ceil(seconds / mostPoints / 60) * 60);
  const to = Math.floor(now / period) * period;
  return { from: to - Math.ceil(seconds / period) * period, to, period };
}

/** A dashboard's start: "-PT3H". */
export function secondsOf(start: string): number | undefined {
  const [, days, time, unit] = /^-P(?:(\d+)D|T(\d+)([HM]))$/.exec(start) ?? [];
  if (days !== undefined) return Number(days) * 86_400;
  return time === undefined ? undefined : Number(time) * (unit === "H" ? 3600 : 60);
}

export interface Query {
  region: string;
  query: MetricDataQuery;
}

/** One query for each series, and one for each that an expression is over; the ids are those of the whole dashboard. */
export function queriesOf(body: DashboardBody, { period }: Span): Query[] {
  return metricWidgets(body).flatMap(([widget, place]) =>
    widget.properties.metrics.map((series, index) => {
      const region = series.options.region ?? widget.properties.region;
      return { region, query: queryOf(widget, series, { Id: idOf(place, index), place, period }) };
    }),
  );
}

const metricWidgets = ({ widgets }: DashboardBody) =>
  widgets.flatMap((widget, place): [MetricWidget, number][] => (widget.type === "metric" ? [[widget, place]] : []));

const idOf = (widget: number, series: number) => `w${widget}_${series}`;

function queryOf(
  { properties }: MetricWidget,
  { namespace, name, dimensions, options }: DrawnSeries,
  { Id, place, period }: { Id: string; place: number; period: number },
): MetricDataQuery {
  const own = Math.max(period, options.period ?? properties.period ?? 60);
  if (options.expression !== undefined) {
    // Ids are a widget's own, and here those of the whole dashboard.
    const Expression = properties.metrics.reduce(
      (text, series, index) =>
        series.options.id === undefined
          ? text
          : text.replace(new RegExp(`\\b${series.options.id}\\b`, "g"), idOf(place, index)),
      options.expression,
    );
    return { Id, Expression, Period: own };
  }
  const Dimensions = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
  const Stat = options.stat ?? properties.stat ?? "Average";
  return { Id, MetricStat: { Metric: { Namespace: namespace, MetricName: name, Dimensions }, Period: own, Stat } };
}

export function timesOf({ from, to, period }: Span): number[] {
  return Array.from({ length: Math.round((to - from) / period) }, (_, index) => from + index * period);
}

export function draw(
  body: DashboardBody,
  span: Span,
  results: readonly MetricDataResult[],
  alarms: ReadonlyMap<string, MetricAlarm>,
): Widget[] {
  const found = new Map(results.map((result) => [result.Id, result]));
  const widgets = body.widgets.map((widget, place) => ({ widget, place }));
  widgets.sort((a, b) => a.widget.y - b.widget.y || a.widget.x - b.widget.x);
  return widgets.map(({ widget, place }): Widget => {
    switch (widget.type) {
      case "text":
        return { kind: "text", text: widget.properties.markdown.replace(/^#+\s*/gm, "") };
      case "alarm":
        return {
          kind: "alarms",
          title: widget.properties.title ?? "Alarms",
          alarms: widget.properties.alarms.map((arn) => alarmNow(arn, alarms.get(arn))),
        };
      case "metric":
        return chart(widget, span, (index) => found.get(idOf(place, index)));
    }
  });
}

function chart(
  { width, properties }: MetricWidget,
  span: Span,
  resultOf: (series: number) => MetricDataResult | undefined,
): ChartWidget {
  const shown = properties.metrics
    .map((series, index) => ({ series, index }))
    .filter(({ series }) => series.options.visible ?? true);
  return {
    kind: "chart",
    title: properties.title ?? "",
    unit: properties.yAxis?.left?.label,
    stacked: properties.stacked ?? false,
    width,
    lines: shown.map(({ series: { options, name }, index }) => ({
      label: options.label ?? name,
      values: valuesOf(resultOf(index), span),
    })),
    thresholds: (properties.annotations?.horizontal ?? []).map(({ label = "", value, fill = "none", color }) => ({
      label,
      value,
      fill,
      color,
    })),
  };
}

function valuesOf(result: MetricDataResult | undefined, { from, to, period }: Span): (number | null)[] {
  const values = Array<number | null>(Math.round((to - from) / period)).fill(null);
  for (const [index, time] of (result?.Timestamps ?? []).entries()) {
    const place = Math.floor((time.getTime() / 1000 - from) / period);
    if (place >= 0 && place < values.length) values[place] = result?.Values?.[index] ?? null;
  }
  return values;
}

/** A description ends by naming the alarm's runbook. */
const described = /^(.*?)(?: Runbook: docs\/runbooks\/([\w-]+)\.md)?$/s;

function alarmNow(arn: string, alarm: MetricAlarm | undefined): AlarmNow {
  const [, says = "", runbook] = described.exec(alarm?.AlarmDescription ?? "") ?? [];
  const { StateValue, StateUpdatedTimestamp, StateReason } = alarm ?? {};
  return {
    name: alarm?.AlarmName ?? arn.split(":").at(-1) ?? arn,
    state: StateValue ?? "INSUFFICIENT_DATA",
    since: StateUpdatedTimestamp?.toISOString(),
    says: alarm ? says : "CloudWatch does not know this alarm.",
    runbook,
    reason: StateReason ?? "",
  };
}
