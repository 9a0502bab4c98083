/** The local cloud's CloudWatch: the manual's own examples, and the SDK's own requests. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  GetDashboardCommand,
  GetMetricDataCommand,
  PutMetricDataCommand,
} from "@aws-sdk/client-cloudwatch";
import { afterEach, describe, expect, test } from "vitest";
import { AwsError } from "../../cloud/aws/account";
import type { Action, Alarm, MetricAlarm } from "../../cloud/aws/cloudwatch/definitions";
import { evaluate, type MissingData } from "../../cloud/aws/cloudwatch/evaluate";
import { Evaluator } from "../../cloud/aws/cloudwatch/evaluator";
import { calculate } from "../../cloud/aws/cloudwatch/math";
import { answer, type Cloud } from "../../cloud/aws/cloudwatch/protocol";
import { holds } from "../../cloud/aws/cloudwatch/rule";
import { Store } from "../../cloud/aws/cloudwatch/store";

/** As the manual writes them: 0 is within the threshold, X breaches it, - is missing; the newest on the right. */
const points = (text: string) => text.split(" ").map((sign) => (sign === "-" ? undefined : sign === "X" ? 2 : 0));

const treatments: MissingData[] = ["missing", "ignore", "breaching", "notBreaching"];
const decide = (text: string, datapointsToAlarm: number) =>
  treatments.map(
    (treatMissingData) =>
      evaluate(points(text), {
        comparison: "GreaterThanThreshold",
        threshold: 1,
        evaluationPeriods: 3,
        datapointsToAlarm,
        treatMissingData,
      }) ?? "retain",
  );

describe("missing data is treated as in the manual's tables", () => {
  test.each([
    [3, "0 - X - X", "OK OK OK OK"],
    [3, "0 - - - -", "OK OK OK OK"],
    [3, "- - - - -", "INSUFFICIENT_DATA retain ALARM OK"],
    [3, "0 X X - X", "ALARM ALARM ALARM ALARM"],
    [3, "- - X - -", "ALARM retain ALARM OK"],
    [2, "0 - X - X", "ALARM ALARM ALARM ALARM"],
    [2, "0 0 X 0 X", "ALARM ALARM ALARM ALARM"],
    [2, "0 - X - -", "OK OK ALARM OK"],
    [2, "- - - - 0", "OK OK ALARM OK"],
    [2, "- - - X -", "ALARM retain ALARM OK"],
  ])("%i of 3 with %s", (datapointsToAlarm, text, states) => {
    expect(decide(text, datapointsToAlarm).join(" ")).toBe(states);
  });

  test("a first breaching data point alone does not alarm at once", () => {
    expect(decide("- - - - X", 3)[0]).toBe("OK");
    expect(decide("- - - X -", 3)[0]).toBe("OK");
  });
});

describe("metric math", () => {
  const scope = { series: { free: [100, 90, undefined, 70], zero: [0, 0, 0, 0] }, period: 10, length: 4 };
  test.each([
    ["free * 2 + 1", [201, 181, undefined, 141]],
    ["-(free - 80) / 10", [-2, -1, undefined, 1]],
    ["RATE(free)", [undefined, -1, undefined, -1]],
    ["IF(RATE(free) < 0, free / -RATE(free) / 10, 999)", [undefined, 9, undefined, 7]],
    ["FILL(free, 1)", [100, 90, 1, 70]],
    ["free / zero", [undefined, undefined, undefined, undefined]],
    ["MAX(free, 95)", [100, 95, undefined, 95]],
  ])("%s", (expression, expected) => {
    expect(calculate(expression, scope).map((value) => value && value + 0)).toEqual(expected);
  });

  test.each(["free +", "SEARCH(free)", "unknown", "(free", "free free", "free § 1"])("%s is refused", (expression) => {
    expect(() => calculate(expression, scope)).toThrow(/metric math/);
  });
});

describe("a composite alarm's rule", () => {
  const states = { a: "ALARM", b: "OK", c: "INSUFFICIENT_DATA" } as const;
  const stateOf = (name: string) => states[name as keyof typeof states];
  test.each([
    ['ALARM("a")', true],
    ['ALARM("b") OR ALARM("c")', false],
    ['ALARM("b") OR ALARM("a") AND NOT OK("b")', false],
    ['(ALARM("b") OR ALARM("a")) AND INSUFFICIENT_DATA(c)', true],
    ["TRUE AND NOT FALSE", true],
  ])("%s: %s", (rule, expected) => expect(holds(rule, stateOf)).toBe(expected));

  test.each(['ALARM("gone")', 'ALARM("a"', 'ALARM("a") ALARM("b")', "", "PERHAPS"])("%s is refused", (rule) => {
    expect(() => holds(rule, stateOf)).toThrow(/AlarmRule/);
  });
});

const metric = { region: "eu-central-1", namespace: "Test", name: "Lag", dimensions: { Environment: "x" } };

function alarm(more: Partial<MetricAlarm> = {}): MetricAlarm {
  return {
    kind: "metric",
    name: "lag",
    arn: "arn:lag",
    region: "eu-central-1",
    description: "",
    actions: { enabled: true, onAlarm: ["topic"], onOk: ["topic"], onInsufficientData: [] },
    period: 10,
    queries: [{ id: "m1", metric, statistic: "Maximum" }],
    expressions: [],
    compared: "m1",
    condition: {
      comparison: "GreaterThanThreshold",
      threshold: 10,
      evaluationPeriods: 3,
      datapointsToAlarm: 3,
      treatMissingData: "breaching",
    },
    ...more,
  };
}

describe("alarms over time", () => {
  const begin = 1_800_000_000;
  const world = () => {
    const store = new Store();
    const actions: Action[] = [];
    const evaluator = new Evaluator(store, {}, (action) => actions.push(action));
    const put = (at: number, value: number) =>
      store.add(metric, at, { count: 1, sum: value, minimum: value, maximum: value }, 1);
    return { store, actions, evaluator, put, stateOf: (arn: string) => evaluator.states[arn]?.state };
  };

  test("one of ten-second periods fires and clears, and tells its topic of both", () => {
    const { evaluator, put, actions, stateOf } = world();
    const seen: (string | undefined)[] = [];
    for (let turn = 0; turn < 20; turn++) {
      const now = begin + 10 * turn;
      evaluator.evaluate([alarm()], now);
      seen.push(stateOf("arn:lag"));
      put(now, turn >= 6 && turn < 12 ? 30 : 1);
    }
    expect(seen[6]).toBe("OK");
    expect(seen[9]).toBe("ALARM");
    expect(seen[12]).toBe("ALARM");
    expect(seen[13]).toBe("OK");
    // Before the first data there was none, and that breaches.
    expect(actions.map(({ state }) => state)).toEqual(["ALARM", "OK", "ALARM", "OK"]);
  });

  test("one of a minute's period is evaluated once a minute, and only over whole periods", () => {
    const { evaluator, put, stateOf } = world();
    const slow = alarm({ period: 60, condition: { ...alarm().condition, evaluationPeriods: 1, datapointsToAlarm: 1 } });
    const minute = Math.ceil(begin / 60) * 60;
    put(minute - 30, 1);
    evaluator.evaluate([slow], minute);
    put(minute + 5, 30);
    evaluator.evaluate([slow], minute + 50);
    expect(stateOf("arn:lag")).toBe("OK");
    evaluator.evaluate([slow], minute + 60);
    expect(stateOf("arn:lag")).toBe("ALARM");
  });

  test("a composite follows the alarms that its rule names, and a deleted alarm has no state", () => {
    const { evaluator, put, stateOf, actions } = world();
    const whole: Alarm = { ...alarm(), kind: "composite", name: "page", arn: "arn:page", rule: 'ALARM("lag")' };
    for (let turn = 0; turn < 6; turn++) put(begin + 10 * turn, 30);
    evaluator.evaluate([alarm(), whole], begin + 60);
    expect(stateOf("arn:page")).toBe("ALARM");
    expect(actions.map((action) => action.alarm)).toEqual(["lag", "page"]);
    evaluator.evaluate([whole].slice(1), begin + 70);
    expect(evaluator.states).toEqual({});
  });

  test("an alarm whose actions are off does nothing", () => {
    const { evaluator, actions } = world();
    evaluator.evaluate([alarm({ actions: { ...alarm().actions, enabled: false } })], begin);
    expect([evaluator.states["arn:lag"]?.state, actions]).toEqual(["ALARM", []]);
  });
});

describe("the SDK's own requests", () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  async function client(cloud: Cloud): Promise<CloudWatchClient> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        try {
          response.end(JSON.stringify(answer({ headers: request.headers, body: Buffer.concat(parts) }, cloud)));
        } catch (error) {
          response.writeHead(400).end(JSON.stringify({ __type: (error as AwsError).code, message: String(error) }));
        }
      });
    }).listen(0, "127.0.0.1");
    servers.push(server);
    await new Promise((resolve) => server.once("listening", resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const credentials = { accessKeyId: "A", secretAccessKey: "B" };
    return new CloudWatchClient({ region: "eu-central-1", endpoint, credentials, maxAttempts: 1 });
  }
  const cloudOf = (store: Store): Cloud => ({
    store,
    states: {},
    alarms: () => [alarm()],
    now: () => Date.now() / 1000,
    dashboard: (name) => (name === "d" ? '{"widgets":[]}' : undefined),
  });

  test("values arrive under their region, dimensions and second, also compressed", async () => {
    const store = new Store();
    const at = new Date();
    const sent = await client(cloudOf(store));
    const MetricData = Array.from({ length: 300 }, (_, index) => ({
      MetricName: index === 0 ? "Lag" : `Other${index}`,
      Dimensions: [{ Name: "Environment", Value: "x" }],
      Timestamp: at,
      Values: [1, 2, 6],
      StorageResolution: 1,
    }));
    await sent.send(new PutMetricDataCommand({ Namespace: "Test", MetricData }));
    const second = Math.floor(at.getTime() / 1000);
    expect(store.summary(metric, second, second + 1)).toEqual({ count: 3, sum: 9, minimum: 1, maximum: 6 });
    expect(store.summary({ ...metric, region: "eu-west-1" }, second, second + 1)).toBeUndefined();
  });

  test("alarms are described with their state", async () => {
    const { MetricAlarms } = await (await client(cloudOf(new Store()))).send(new DescribeAlarmsCommand({}));
    expect(MetricAlarms).toMatchObject([{ AlarmName: "lag", StateValue: "INSUFFICIENT_DATA", Threshold: 10 }]);
  });

  test("series are answered by the period, with math over them, and without the periods that have no data", async () => {
    const store = new Store();
    const begin = 1_800_000_000;
    for (const [at, value] of [
      [0, 1],
      [30, 3],
      [120, 8],
    ] as const)
      store.add(metric, begin + at, { count: 1, sum: value, minimum: value, maximum: value }, 1);
    const { MetricDataResults } = await (
      await client(cloudOf(store))
    ).send(
      new GetMetricDataCommand({
        StartTime: new Date((begin + 1) * 1000),
        EndTime: new Date((begin + 180) * 1000),
        ScanBy: "TimestampAscending",
        MetricDataQueries: [
          {
            Id: "m1",
            ReturnData: false,
            MetricStat: {
              Metric: { Namespace: "Test", MetricName: "Lag", Dimensions: [{ Name: "Environment", Value: "x" }] },
              Period: 60,
              Stat: "Average",
            },
          },
          { Id: "twice", Expression: "m1 * 2", Label: "double" },
        ],
      }),
    );
    expect(MetricDataResults).toMatchObject([
      { Id: "twice", Label: "double", Values: [4, 16], StatusCode: "Complete" },
    ]);
    const times = MetricDataResults?.[0]?.Timestamps?.map((time) => time.getTime() / 1000 - begin);
    expect(times).toEqual([0, 120]);
  });

  test("a dashboard is answered as it was given; one that is not there, or a path, is not found", async () => {
    const sent = await client(cloudOf(new Store()));
    const get = (DashboardName: string) => sent.send(new GetDashboardCommand({ DashboardName }));
    expect((await get("d")).DashboardBody).toBe('{"widgets":[]}');
    await expect(get("other")).rejects.toThrow(/no dashboard other/);
    await expect(get("../d")).rejects.toThrow(/no dashboard/);
  });

  test("what CloudWatch refuses is refused with its code", async () => {
    const sent = await client(cloudOf(new Store()));
    const put = (Namespace: string, datum: object) =>
      sent.send(new PutMetricDataCommand({ Namespace, MetricData: [{ MetricName: "Lag", ...datum }] }));
    await expect(put("AWS/RDS", { Value: 1 })).rejects.toThrow(/AWS\//);
    await expect(put("Test", { Value: 1, Timestamp: new Date(0) })).rejects.toThrow(/two weeks/);
    await expect(put("Test", {})).rejects.toThrow(/exactly one/);
  });

  test("an unsigned request is refused", () => {
    const request = { headers: { "x-amz-target": "X.PutMetricData" }, body: Buffer.from("{}") };
    expect(() => answer(request, cloudOf(new Store()))).toThrow(/not signed/);
  });
});
