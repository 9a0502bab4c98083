/** Every alarm, row by row; and what the deployment makes of them. */
import { untold } from "../../components/monitoring/untold";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { alarmName, Alarms, type AlarmsArgs } from "../../components/monitoring/alarms";
import type { AlarmInputs } from "../../components/monitoring/alarmInputs";
import { alarmsFor } from "../../components/monitoring/alarmTable";
import { isTimed, scheduledNames } from "../../components/programs/scheduledNames";
import { keyPolicy, topicPolicy } from "../../components/monitoring/alarmTopics";
import type { Alarm as LocalAlarm } from "../../cloud/aws/cloudwatch/definitions";
import { reportAlarms } from "../../local/alarms";
import { metrics } from "../../ops/monitor/metrics";
import { record } from "./mocks";
import { alarmThresholds } from "../alarmThresholds";

const capacity = { vcpus: 2, memoryGib: 4, burstable: true };
const inputs: AlarmInputs = {
  thresholds: alarmThresholds,
  copies: true,
  drills: true,
  retires: true,
  primary: { capacity, storageGib: 100 },
  replica: { capacity: { ...capacity, burstable: false }, storageGib: 100 },
  monthsAhead: 3,
};
const rows = alarmsFor(inputs);
const row = (name: string, from = rows) => from.find((one) => one.name === name)!;

describe("every alarm", () => {
  test.each(rows.map((one) => [one.name, one] as const))("%s says its number and in what time", (_name, one) => {
    const inUnits =
      one.threshold >= 1024 ** 3
        ? one.threshold / 1024 ** 3
        : one.threshold >= 1024 ** 2
          ? one.threshold / 1024 ** 2
          : one.threshold;
    const numbers = [...one.says.replaceAll(",", "").matchAll(/\d+/g)].map(([digits]) => Number(digits));
    const once = one.threshold <= 1;
    expect(once || numbers.includes(inUnits) || one.comparison === "below").toBe(true);
    expect(one.says).toMatch(/^[A-Z].*\.$/);
    const [toAlarm, evaluated] = one.datapoints;
    expect(toAlarm).toBeLessThanOrEqual(evaluated);
    // CloudWatch evaluates what spans more than a day once an hour only.
    expect(one.period * evaluated).toBeLessThanOrEqual(86_400);
  });

  test.each(rows.map((one) => [one.name, one] as const))(
    "%s is of a metric that there is, by the second only where that is kept",
    (_name, one) => {
      if (one.measured.of !== "monitor") return expect(one.period % 60).toBe(0);
      const metric = metrics[one.measured.metric];
      expect("by" in metric).toBe(one.measured.label !== undefined);
      if (one.period < 60) expect("fast" in metric).toBe(true);
    },
  );

  test("has a name of its own, and a runbook with four headings", () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    const directory = join(__dirname, "../../docs/runbooks");
    for (const { name } of rows) {
      const file = join(directory, `${name}.md`);
      expect([name, existsSync(file)]).toEqual([name, true]);
      const headings = [...readFileSync(file, "utf8").matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
      expect([name, headings]).toEqual([name, ["Meaning", "Impact", "Diagnosis", "Mitigation"]]);
    }
    const burstable = alarmsFor({ ...inputs, replica: inputs.primary });
    const known = burstable.map(({ name }) => `${name}.md`);
    expect(readdirSync(directory).filter((file) => file !== "README.md" && !known.includes(file))).toEqual([]);
  });
});

describe("the table", () => {
  test("has an alarm for every program on schedule that no longer succeeds", () => {
    const verifications = { "verify-recent": "", "verify-whole": "whole-", "verify-archived": "archived-" };
    for (const name of scheduledNames.filter(isTimed)) {
      const alarm = name in verifications ? `${verifications[name as keyof typeof verifications]}verification` : name;
      expect(rows.map(({ name }) => name)).toContain(`${alarm}-overdue`);
    }
  });

  test("follows the settings", () => {
    const changed = alarmsFor({
      ...inputs,
      thresholds: { ...alarmThresholds, lagSeconds: 30, poolWaitSeconds: 2, statementMilliseconds: 99, drillDays: 7 },
    });
    expect(row("replication-lag", changed)).toMatchObject({
      threshold: 30,
      says: expect.stringContaining("30 s") as string,
    });
    expect(row("pool-waiting", changed).threshold).toBe(2);
    expect(row("statements-slow", changed).threshold).toBe(99);
    expect(row("drill-overdue", changed).threshold).toBe(7);
    expect(row("months-missing", alarmsFor({ ...inputs, monthsAhead: 1 })).threshold).toBe(1);
  });

  test("follows the instance: 5 % of storage and of memory, credits only of a burstable class", () => {
    expect(row("storage-low").threshold).toBe(5 * 1024 ** 3);
    expect(row("memory-low").threshold).toBe(205 * 1024 ** 2);
    expect([row("credits-low")?.place, row("replica-credits-low")]).toEqual(["primary", undefined]);
  });

  test("gives a burstable server the hours in which it earns its first credits", () => {
    const { period, statistic, threshold, datapoints } = row("credits-low");
    const smallestEarnsAnHour = 12;
    expect(statistic).toBe("Maximum");
    expect((period / 3600) * datapoints[0] * smallestEarnsAnHour).toBeGreaterThan(threshold);
  });

  test("has nothing of a replica where there is none", () => {
    const alone = alarmsFor({ ...inputs, replica: undefined });
    expect(alone.filter(({ name, place }) => place === "replica" || name.includes("replica"))).toEqual([]);
  });

  test("has nothing of copies where there are none", () => {
    const none = alarmsFor({ ...inputs, copies: false });
    expect(rows.filter((one) => !row(one.name, none)).map(({ name }) => name)).toEqual(["copies-overdue"]);
  });

  test("has nothing of drills where there are none", () => {
    const none = alarmsFor({ ...inputs, drills: false });
    expect(rows.filter((one) => !row(one.name, none)).map(({ name }) => name)).toEqual([
      ...["drill-overdue", "drill-failed", "drill-slow", "drill-stale"],
    ]);
  });

  test("takes missing data as trouble where nothing else would tell of it, and there alone", () => {
    expect(rows.filter(({ missing }) => missing === "breaching").map(({ name }) => name)).toEqual(["monitor-silent"]);
  });
});

const args: AlarmsArgs = {
  environment: "prod",
  thresholds: inputs.thresholds,
  copies: true,
  drills: true,
  retires: true,
  monthsAhead: 3,
  emails: { page: ["oncall@example.com"], ticket: [] },
  topicArns: { page: [], ticket: ["arn:aws:sns:eu-west-1:123456789012:tickets"] },
  kmsKeyArns: {},
  primary: { ...inputs.primary, region: "eu-central-1", identifier: "db-1" },
  replica: { ...inputs.primary, capacity: { ...capacity, burstable: false }, region: "eu-west-1", identifier: "db-2" },
  tags: { team: "audit" },
};
const build = (changed: Partial<AlarmsArgs> = {}) => record(() => new Alarms("a", { ...args, ...changed }));

describe("the deployment's alarms", () => {
  test("are all in the region of what they watch, tell of ALARM and of OK, and name their runbook", async () => {
    const world = await build();
    const made = world.all("aws:cloudwatch/metricAlarm:MetricAlarm");
    expect(made).toHaveLength(rows.length);
    for (const one of rows) {
      const { inputs: alarm } = made.find(({ inputs }) => inputs.name === alarmName("prod", one))!;
      expect(alarm).toMatchObject({
        region: one.place === "primary" ? "eu-central-1" : "eu-west-1",
        threshold: one.threshold,
        treatMissingData: one.missing,
        alarmDescription: `${one.says} Runbook: docs/runbooks/${one.name}.md`,
      });
      expect(alarm.alarmActions).toHaveLength(1);
      expect(alarm.okActions).toEqual(alarm.alarmActions);
    }
  });

  test("tell the topic of their severity and region: one made and encrypted, or one that was given", async () => {
    const world = await build();
    expect(
      world.all("aws:sns/topic:Topic").map(({ name, inputs }) => [name, inputs.region, typeof inputs.kmsMasterKeyId]),
    ).toEqual([
      ["a-page", "eu-central-1", "string"],
      ["a-replica-page", "eu-west-1", "string"],
      ["a-ticket", "eu-central-1", "string"],
    ]);
    const target = (name: string) =>
      world.one("aws:cloudwatch/metricAlarm:MetricAlarm", name).inputs.alarmActions as string[];
    expect(target("a-replica-replica-cpu-high")).toEqual(["arn:aws:sns:eu-west-1:123456789012:tickets"]);
    expect(world.all("aws:sns/topicSubscription:TopicSubscription").map(({ inputs }) => inputs.endpoint)).toEqual([
      "oncall@example.com",
      "oncall@example.com",
    ]);
  });

  test("come together in one alarm for each severity and region, made after them, which itself tells nobody", async () => {
    const world = await build();
    const composites = world.all("aws:cloudwatch/compositeAlarm:CompositeAlarm");
    expect(composites.map(({ inputs }) => inputs.alarmName).sort()).toEqual([
      "authensor-prod-page",
      "authensor-prod-replica-page",
      "authensor-prod-replica-ticket",
      "authensor-prod-ticket",
    ]);
    const page = composites.find(({ inputs }) => inputs.alarmName === "authensor-prod-page")!;
    expect(page.inputs.alarmRule).toContain('ALARM("authensor-prod-monitor-silent") OR ');
    // The most that CloudWatch takes.
    for (const { inputs } of composites) expect((inputs.alarmRule as string).length).toBeLessThan(10_240);
    expect(page.inputs).not.toHaveProperty("alarmActions");
    expect(page.dependencies).toContain(world.one("aws:cloudwatch/metricAlarm:MetricAlarm", "a-monitor-silent").urn);
  });

  test("hear of RDS' own events too, in both regions", async () => {
    const subscriptions = (await build()).all("aws:rds/eventSubscription:EventSubscription");
    expect(subscriptions.map(({ inputs }) => [inputs.region, inputs.sourceIds])).toEqual([
      ["eu-central-1", ["db-1"]],
      ["eu-west-1", ["db-2"]],
      ["eu-west-1", ["db-2"]],
      ["eu-central-1", ["db-1"]],
    ]);
  });

  test("are the primary's region's alone without a replica", async () => {
    const world = await build({ replica: undefined });
    expect(world.resources.filter(({ inputs }) => inputs.region === "eu-west-1")).toEqual([]);
  });
});

test("a topic and its key can be used by CloudWatch and RDS on behalf of this account alone", () => {
  const condition = { StringEquals: { "aws:SourceAccount": "123456789012" } };
  const Principal = { Service: ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"] };
  expect(topicPolicy("arn:topic", "123456789012").Statement).toEqual([
    expect.objectContaining({ Principal, Action: "sns:Publish", Resource: "arn:topic", Condition: condition }),
  ]);
  expect(keyPolicy("123456789012", "eu-central-1").Statement[1]).toMatchObject({ Principal, Condition: condition });
});

describe("make status", () => {
  const alarm = (name: string, kind: "metric" | "composite" = "metric") =>
    ({ name, arn: name, kind, description: `${name} is bad.` }) as LocalAlarm;
  const since = "2026-01-01T00:00:00Z";
  const alarms = [alarm("lag"), alarm("cpu"), alarm("page", "composite")];

  test("names what is in ALARM, and fails only where that pages", () => {
    const state = (value: "OK" | "ALARM") => ({ state: value, reason: "", since });
    expect(reportAlarms(alarms, { cpu: state("ALARM"), lag: state("OK"), page: state("OK") }, ["page"])).toEqual({
      lines: ["2 alarms: 1 OK, 1 in ALARM, 0 without data", `  ALARM  cpu since ${since}: cpu is bad.`],
      pages: false,
    });
    expect(reportAlarms(alarms, { lag: state("ALARM"), page: state("ALARM") }, ["page"])).toMatchObject({
      pages: true,
    });
  });

  test("says nothing of alarms where there are none", () => {
    expect(reportAlarms([], {}, [])).toEqual({ lines: [], pages: false });
  });
});

test("a severity whose alarms reach nobody is told in the preview, with the regions and what to set", () => {
  const regions = ["eu-central-1", "eu-west-1"];
  const nobody = { page: [], ticket: [] };
  const topic = "arn:aws:sns:eu-central-1:123456789012:oncall";
  expect(untold({ emails: { page: ["a@b.c"], ticket: ["a@b.c"] }, topicArns: nobody }, regions)).toEqual([]);
  expect(
    untold({ emails: { ...nobody, page: ["a@b.c"] }, topicArns: { ...nobody, ticket: [topic] } }, regions),
  ).toEqual([
    "Nobody is told of alarms that can wait for the morning in eu-west-1: set ticketEmails, or ticketTopicArns with a topic of each of these regions.",
  ]);
  expect(untold({ emails: nobody, topicArns: nobody }, regions)).toHaveLength(2);
  const all = { page: ["a@b.c"], ticket: ["a@b.c"] };
  expect(untold({ emails: all, topicArns: { ...nobody, page: [topic] } }, regions)).toEqual([
    "pageEmails are not told of alarms in eu-central-1: the topic of pageTopicArns is used there. Subscribe the addresses to that topic, or remove it from pageTopicArns.",
  ]);
});
