/** Grafana's dashboard: current, over names that the monitor serves, complete. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { metricNames } from "../../ops/monitor/metrics";
import { Prometheus, prometheusName } from "../../ops/monitor/prometheus";
import { questions } from "../../components/monitoring/dashboardCharts";
import { grafanaFile, grafanaText } from "./grafana";

interface Panel {
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; refId: string }[];
}
const { panels } = JSON.parse(grafanaText()) as { panels: Panel[] };

test("the file is what the tables make of it: npm run grafana writes it anew", () => {
  expect(readFileSync(grafanaFile, "utf8")).toBe(grafanaText());
});

test("every metric is drawn, by a name that the monitor's registry has", () => {
  const served = new Prometheus("x").registry.getMetricsAsArray().map(({ name }) => name);
  const asked = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr.replace(/\{.*/, "")));
  expect(asked.sort()).toEqual(metricNames.map(prometheusName).sort());
  expect(asked.filter((name) => !served.includes(name))).toEqual([]);
});

test("it answers the same questions, and no panel is over another", () => {
  expect(panels.filter(({ type }) => type === "row").map(({ title }) => title)).toEqual(Object.values(questions));
  const taken = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
  );
  expect(new Set(taken).size).toBe(taken.length);
});
