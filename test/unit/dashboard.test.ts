/** The dashboard: what it draws, and that CloudWatch would take it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDashboard, type DrawnSeries, type MetricWidget } from "../../cloud/aws/cloudwatch/dashboard";
import { dashboard as handler, dashboardType } from "../../cloud/aws/cloudwatch/dashboardHandler";
import { files } from "../../cloud/aws/cloudwatch/definitions";
import { cloudWatchRoot } from "../../cloud/aws/cloudwatch/service";
import type { Context } from "../../cloud/handler";
import { alarmsFor } from "../../components/monitoring/alarmTable";
import { Dashboard } from "../../components/monitoring/dashboard";
import { chartOfRow, dashboardBody, type DashboardInputs } from "../../components/monitoring/dashboardBody";
import { charts, questions } from "../../components/monitoring/dashboardCharts";
import { metricNames, metrics, type Metric } from "../../ops/monitor/metrics";
import { record } from "./mocks";
import { alarmThresholds } from "../alarmThresholds";

const server = { capacity: { vcpus: 2, memoryGib: 4, burstable: true }, storageGib: 100 };
const rows = alarmsFor({
  thresholds: alarmThresholds,
  copies: true,
  drills: true,
  retires: true,
  primary: server,
  replica: server,
  monthsAhead: 3,
});
const arnOf = (name: string) => `arn:aws:cloudwatch:eu-central-1:123456789012:alarm:authensor-prod-${name}`;
const inputs: DashboardInputs = {
  environment: "prod",
  rows,
  arns: Object.fromEntries(rows.map(({ name }) => [name, arnOf(name)])),
  primary: { region: "eu-central-1", identifier: "db-1" },
  replica: { region: "eu-west-1", identifier: "db-2" },
};
const text = JSON.stringify(dashboardBody(inputs));
const read = (given = inputs) => readDashboard(JSON.stringify(dashboardBody(given)));
const drawn = (widgets = read().widgets) =>
  widgets.filter((widget): widget is MetricWidget => widget.type === "metric");
const seriesOf = (of: DashboardInputs): DrawnSeries[] =>
  drawn(read(of).widgets).flatMap(({ properties }) => properties.metrics);

describe("the dashboard", () => {
  test("answers the five questions in their order, with the states of all alarms above", () => {
    const { widgets } = read();
    const said = widgets.flatMap((widget) => (widget.type === "text" ? [widget.properties.markdown] : []));
    expect(said).toEqual(Object.values(questions).map((question) => `## ${question}`));
    const [page, ticket, first] = widgets;
    expect([page?.type, ticket?.type, first?.type]).toEqual(["alarm", "alarm", "text"]);
    const shown = widgets.flatMap((widget) => (widget.type === "alarm" ? [widget.properties.alarms] : []));
    for (const [place, severity] of (["page", "ticket"] as const).entries())
      expect(shown[place]).toEqual(rows.filter((row) => row.severity === severity).map(({ name }) => arnOf(name)));
  });

  test.each(metricNames)("draws %s with its own statistic, each of its series, where it is published", (name) => {
    const metric: Metric = metrics[name];
    const found = seriesOf(inputs).filter((one) => one.namespace === "Authensor/Postgres" && one.name === name);
    expect(found.length).toBeGreaterThan(metric.by === undefined ? 0 : 1);
    for (const { dimensions, options } of found) {
      expect(options).toMatchObject({ stat: metric.statistic, region: "eu-central-1" });
      expect(Object.keys(dimensions)).toEqual(["Environment", ...(metric.by === undefined ? [] : [metric.by])]);
      expect(dimensions["Environment"]).toBe("prod");
    }
  });

  test.each(rows.map((row) => [row.name, row] as const))(
    "draws the threshold of %s, and what it is compared with",
    (_, row) => {
      const chart = chartOfRow(row);
      expect(chart).toBeDefined();
      const widget = drawn().find(({ properties }) => properties.title === charts[chart!].title);
      const line = widget?.properties.annotations?.horizontal.find(({ label }) => label === row.name);
      if (row.statistic === "SampleCount") return expect(line).toBeUndefined();
      expect(line).toMatchObject({ value: row.threshold, fill: row.comparison });
      const region = row.place === "primary" ? "eu-central-1" : "eu-west-1";
      const compared = widget?.properties.metrics.filter(({ name }) => name === row.measured.metric);
      expect(compared?.map(({ options }) => options.region)).toContain(region);
    },
  );

  test("draws each server's own metrics from its region, and days until full where the alarm computes them", () => {
    const cpu = seriesOf(inputs).filter(({ name }) => name === "CPUUtilization");
    expect(cpu.map(({ dimensions, options }) => [dimensions, options.region, options.label])).toEqual([
      [{ DBInstanceIdentifier: "db-1" }, "eu-central-1", "primary"],
      [{ DBInstanceIdentifier: "db-2" }, "eu-west-1", "replica"],
    ]);
    const days = seriesOf(inputs).filter(({ options }) => options.expression !== undefined);
    expect(days.map(({ options }) => [options.expression, options.label])).toEqual([
      ["IF(RATE(of_primary) < 0, of_primary / -RATE(of_primary) / 86400, 999)", "primary"],
      ["IF(RATE(of_replica) < 0, of_replica / -RATE(of_replica) / 86400, 999)", "replica"],
    ]);
  });

  test("has nothing of a replica where there is none", () => {
    const alone = alarmsFor({
      thresholds: alarmThresholds,
      copies: true,
      drills: true,
      retires: true,
      primary: server,
      monthsAhead: 3,
    });
    const names = seriesOf({ ...inputs, rows: alone, replica: undefined }).map(({ name }) => name);
    expect(names.filter((name) => /Replica/.test(name))).toEqual([]);
    expect(names).toContain("SlotRetainedBytes");
  });

  test("puts no widget over another", () => {
    const taken = new Set<string>();
    for (const { x, y, width, height } of read().widgets)
      for (let column = x; column < x + width; column++)
        for (let line = y; line < y + height; line++) {
          expect(taken.has(`${column} ${line}`)).toBe(false);
          taken.add(`${column} ${line}`);
        }
  });
});

describe("what CloudWatch refuses of a dashboard, the local one refuses", () => {
  const widget = { type: "text", x: 0, y: 0, width: 24, height: 1, properties: { markdown: "" } };
  const metric = { type: "metric", x: 0, y: 0, width: 8, height: 6 };
  const one = ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", "db"];
  const of = (properties: object) => ({ widgets: [{ ...metric, properties: { region: "eu-west-1", ...properties } }] });
  test.each<[string, unknown, RegExp]>([
    ["more than 500 widgets", { widgets: Array(501).fill(widget) }, /widgets.*500/],
    ["more than 500 metrics in a widget", of({ metrics: Array(501).fill(one) }), /metrics.*500/],
    [
      "more than 2,500 metrics in all",
      { widgets: Array(6).fill(of({ metrics: Array(450).fill(one) }).widgets[0]) },
      /2700 metrics/,
    ],
    ["a widget beyond the 24 columns", { widgets: [{ ...widget, x: 12, width: 24 }] }, /wider than the grid/],
    [
      "more than 100 alarms in a widget",
      {
        widgets: [{ ...widget, type: "alarm", properties: { alarms: Array(101).fill("arn:aws:x") } }],
      },
      /alarms/,
    ],
    ["a period that is no multiple of a minute", of({ metrics: [one], period: 10 }), /period/],
    ["a dimension without a value", of({ metrics: [[...one, "AvailabilityZone"]] }), /metrics\.0/],
    ["a property that nobody knows", of({ metrics: [one], liveDate: true }), /liveDate|unrecognized/i],
    ["no region", { widgets: [{ ...metric, properties: { metrics: [one] } }] }, /region/],
  ])("%s", (_, body, why) => expect(() => readDashboard(JSON.stringify(body))).toThrow(why));

  test("a body that is not JSON", () => expect(() => readDashboard("{")).toThrow("not JSON"));
});

describe("the deployment's dashboard", () => {
  const args = { ...inputs, rows, arns: inputs.arns };

  test("is one, named after the environment, with a link into AWS' console", async () => {
    const world = await record(() => new Dashboard("authensor-prod-dashboard", args));
    const { inputs: made } = world.one(dashboardType);
    expect(made).toMatchObject({ region: "eu-central-1", dashboardName: "authensor-prod-dashboard" });
    expect(made.dashboardBody).toBe(text);
    expect(world.one("authensor:monitoring:Dashboard").outputs?.url).toBe(
      "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#dashboards/dashboard/authensor-prod-dashboard",
    );
  });

  let root: string;
  beforeAll(() => void (root = mkdtempSync(join(tmpdir(), "dashboard-"))));
  afterAll(() => rmSync(root, { recursive: true }));

  test("is kept by the local cloud as it was given, changed and taken away; one that CloudWatch refuses is not made", async () => {
    const context = { type: dashboardType, physicalName: "d-1", directory: join(root, "d-1"), resources: () => [] };
    const made = await handler.create({ dashboardName: "d", dashboardBody: text }, context as unknown as Context);
    const file = join(files(cloudWatchRoot(root)).dashboards, "d.json");
    expect(readFileSync(file, "utf8")).toBe(text);
    expect(made).toMatchObject({ id: "d", outputs: { dashboardName: "d" } });
    await expect(
      handler.create({ dashboardName: "../d", dashboardBody: text }, context as unknown as Context),
    ).rejects.toThrow("dashboardName");
    await expect(
      handler.create({ dashboardName: "d", dashboardBody: "{}" }, context as unknown as Context),
    ).rejects.toThrow("widgets");
    const current = { outputs: made.outputs } as Parameters<NonNullable<typeof handler.delete>>[0];
    await handler.delete?.(current, context as unknown as Context);
    expect(() => readFileSync(file)).toThrow();
  });
});
