/** The monitor's parts: what a bad moment of one of them does to the others. */
import { describe, expect, test } from "vitest";
import { silentLog } from "../../ops/log";
import { Health } from "../../ops/monitor/health";
import { metricNames, metrics, samplesOf } from "../../ops/monitor/metrics";
import { Prometheus, prometheusName } from "../../ops/monitor/prometheus";
import { Publisher } from "../../ops/monitor/publisher";
import { attempt, pause, runSources } from "../../ops/monitor/scheduler";
import { Series, type Datum } from "../../ops/monitor/series";
import { counter, counters, type Access, type Source } from "../../ops/monitor/source";
import { sourcesFor } from "../../ops/monitor/sources";
import { copies } from "../../ops/monitor/sources/copies";
import { daysLeft } from "../../ops/monitor/sources/certificates";
import { percentOf } from "../../ops/verify/shownProgress";
import type { Request } from "../../ops/verify/request";
import { byPod, saturation } from "../../ops/monitor/sources/pools";
import { textWithoutValues } from "../../ops/monitor/statementText";
import { p95OfMeans } from "../../ops/monitor/sources/statements";

const access = {} as Access;
const never = new AbortController().signal;

const source = (name: string, collect: Source["collect"], more: Partial<Source> = {}): Source => ({
  name,
  everySeconds: 0.1,
  timeoutSeconds: 0.05,
  collect,
  ...more,
});
const good = source("good", () => Promise.resolve({ samples: { MonthsAhead: 3 } }));

describe("a source", () => {
  test("that hangs, deaf to its signal, is given up after its own time", async () => {
    const { why } = await attempt(
      source("deaf", () => new Promise(() => undefined)),
      access,
      never,
    );
    expect(why).toBe("no answer within 0.05 s");
  });

  test("that hangs is told to let go", async () => {
    let told = false;
    const listens = source("listens", (_access, signal) => {
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          told = true;
          reject(new Error("closed"));
        });
      });
    });
    expect((await attempt(listens, access, never)).why).toBe("no answer within 0.05 s");
    expect(told).toBe(true);
  });

  test("that fails is told by its code, never by the driver's text", async () => {
    const failing = (error: Error) =>
      attempt(
        source("fails", () => Promise.reject(error)),
        access,
        never,
      );
    const secret = "password of authensor_monitor is hunter2";
    expect((await failing(Object.assign(new Error(secret), { code: "28P01" }))).why).toBe("28P01");
    expect((await failing(new TypeError(secret))).why).toBe("TypeError");
  });

  test("that asks rarely is asked again soon after a bad moment, and one that asks often no later than it would be", () => {
    const every = (everySeconds: number) => ({ ...good, everySeconds });
    expect([pause(every(600), false), pause(every(600), true)]).toEqual([600, 10]);
    expect([pause(every(5), false), pause(every(5), true)]).toEqual([5, 5]);
  });

  test("that has a line for the log has it written, once for each run", async () => {
    const stop = new AbortController();
    const lines: unknown[] = [];
    const line = { message: "slow statements", fields: { statements: [] } };
    await runSources({
      sources: [source("tells", () => Promise.resolve({ samples: {}, line }))],
      access,
      log: { ...silentLog, info: (message, fields) => void lines.push({ message, fields }) },
      signal: stop.signal,
      onOutcome: () => stop.abort(),
    });
    expect(lines).toEqual([line]);
  });

  test("that hangs or fails has been asked all the same: the first round ends once, with the slowest", async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    await runSources({
      sources: [
        source("hangs", () => new Promise(() => undefined)),
        source("fails", () => Promise.reject(new Error())),
        good,
      ],
      access,
      log: silentLog,
      signal: stop.signal,
      onOutcome: ({ source: { name } }) => {
        seen.push(name);
        if (seen.filter((other) => other === "hangs").length === 2) stop.abort();
      },
      onFirstRound: () => void seen.push("first round"),
    });
    expect(seen.filter((name) => name === "first round")).toHaveLength(1);
    expect(seen.indexOf("first round")).toBe(seen.indexOf("hangs") + 1);
  });

  test("that throws at once, fails or hangs does not silence the others", async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const sources = [
      source("hangs", () => new Promise(() => undefined)),
      source("fails", () => Promise.reject(new Error("no"))),
      source("throws", () => {
        throw new Error("no");
      }),
      good,
    ];
    const running = runSources({
      sources,
      access,
      log: silentLog,
      signal: stop.signal,
      onOutcome: ({ source: { name }, collected }) => {
        seen.push(`${name} ${collected ? "ok" : "failed"}`);
        if (seen.filter((line) => line === "good ok").length === 3) stop.abort();
      },
    });
    await running;
    expect(new Set(seen)).toEqual(new Set(["hangs failed", "fails failed", "throws failed", "good ok"]));
  });
});

const datum = (value: number): Datum => ({ name: "MonthsAhead", at: new Date(1000 * value), values: [value] });

describe("the publisher", () => {
  type Input = { MetricData?: { Values?: number[] }[] | undefined };
  const valuesOf = (calls: readonly Input[]) =>
    calls.flatMap(({ MetricData = [] }) => MetricData.flatMap((one) => one.Values ?? []));

  test("keeps what CloudWatch refuses, and sends it in order once it is taken again", async () => {
    let refuse = true;
    const calls: Input[] = [];
    const send = (input: Input) =>
      refuse ? Promise.reject(new Error("throttled")) : Promise.resolve(calls.push(input));
    const publisher = new Publisher("x", send, silentLog);
    for (const value of [1, 2, 3]) {
      publisher.add([datum(value)]);
      await publisher.flush();
    }
    expect([calls, publisher.waiting]).toEqual([[], 3]);
    refuse = false;
    await publisher.flush();
    expect([valuesOf(calls), publisher.waiting]).toEqual([[1, 2, 3], 0]);
  });

  test("drops a data point that CloudWatch refuses for good, and sends the others", async () => {
    const calls: Input[] = [];
    const refused = Object.assign(new Error("too old"), { name: "InvalidParameterValueException" });
    const send = (input: Input) =>
      valuesOf([input]).includes(3) ? Promise.reject(refused) : Promise.resolve(calls.push(input));
    const publisher = new Publisher("x", send, silentLog);
    publisher.add([1, 2, 3, 4, 5].map(datum));
    await publisher.flush();
    expect([valuesOf(calls), publisher.waiting]).toEqual([[1, 2, 4, 5], 0]);
  });

  test("keeps no more than a bounded number, the newest", async () => {
    const calls: Input[] = [];
    let refuse = true;
    const publisher = new Publisher(
      "x",
      (input: Input) => (refuse ? Promise.reject(new Error("no")) : Promise.resolve(calls.push(input))),
      silentLog,
    );
    publisher.add(Array.from({ length: 60_000 }, (_, index) => datum(index)));
    await publisher.flush();
    expect(publisher.waiting).toBe(50_000);
    refuse = false;
    await publisher.flush();
    expect(valuesOf(calls)[0]).toBe(10_000);
    expect(Math.max(...calls.map(({ MetricData = [] }) => MetricData.length))).toBe(500);
  });

  test("sends one call at a time while CloudWatch is slow, and loses nothing that comes meanwhile", async () => {
    const calls: Input[] = [];
    let letGo: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (letGo = resolve));
    const publisher = new Publisher("x", (input: Input) => slow.then(() => calls.push(input)), silentLog);
    publisher.add([datum(1)]);
    const first = publisher.flush();
    publisher.add([datum(2)]);
    const second = publisher.flush();
    letGo();
    await Promise.all([first, second]);
    expect(calls).toHaveLength(2);
    expect(valuesOf(calls)).toEqual([1, 2]);
  });

  test("names the environment, the further dimension, and high resolution only where the table says so", async () => {
    const calls: { MetricData?: object[] | undefined }[] = [];
    const publisher = new Publisher("prod", (input) => Promise.resolve(calls.push(input)), silentLog);
    const at = new Date();
    publisher.add([
      { name: "Receipts", label: "deny", at, values: [2] },
      { name: "ReplicationLagSeconds", at, values: [0.5] },
    ]);
    await publisher.flush();
    const environment = { Name: "Environment", Value: "prod" };
    expect(calls[0]?.MetricData).toEqual([
      expect.objectContaining({ Dimensions: [environment, { Name: "Outcome", Value: "deny" }], Unit: "Count" }),
      expect.objectContaining({ Dimensions: [environment], StorageResolution: 1, Unit: "Seconds" }),
    ]);
    expect(calls[0]?.MetricData?.[0]).not.toHaveProperty("StorageResolution");
  });
});

describe("a minute's values", () => {
  test("are taken out once, the fast ones by themselves", () => {
    const series = new Series();
    for (const value of [1, 2]) series.add({ name: "ReplicationLagSeconds", value });
    series.add({ name: "Connections", label: "app", value: 5 });
    const at = new Date();
    expect(series.take(true, at)).toEqual([{ name: "ReplicationLagSeconds", at, values: [1, 2] }]);
    expect(series.take(true, at)).toEqual([]);
    expect(series.take(false, at)).toEqual([{ name: "Connections", label: "app", at, values: [5] }]);
  });

  test("of a source that is asked more rarely stand in every minute until it is asked again: an alarm of mostly empty minutes never fires", () => {
    const series = new Series();
    const at = new Date();
    const days = (value: number) => ({ name: "CertificateDaysLeft", value }) as const;
    const told = (value: number) => [{ name: "CertificateDaysLeft", at, values: [value] }];
    series.stand("certificates", [days(29)]);
    for (let minute = 0; minute < 9; minute++) expect(series.take(false, at)).toEqual(told(29));
    expect(series.take(true, at)).toEqual([]);
    series.stand("certificates", [days(28)]);
    expect(series.take(false, at)).toEqual(told(28));
    series.stand("certificates", []);
    expect(series.take(false, at), "once it has failed").toEqual([]);
  });
});

describe("the copies of the backups", () => {
  const arn = "arn:aws:rds:eu-north-1:123456789012:auto-backup:ab-1";
  const ageOf = async (answer: object) => {
    const send = () => Promise.resolve(answer);
    const { samples } = await copies(arn, { send }).collect({} as Access, new AbortController().signal);
    return samples.CopiesAgeMinutes;
  };

  test("are as old as what they lead to; where they lead nowhere yet, the first one is awaited from now on", async () => {
    const led = (minutes: number) => ({
      DBInstanceAutomatedBackups: [{ RestoreWindow: { LatestTime: new Date(Date.now() - minutes * 60_000) } }],
    });
    expect(await ageOf(led(90))).toBeCloseTo(90, 1);
    expect(await ageOf(led(-1)), "a clock that is ahead").toBe(0);
    expect(await ageOf({ DBInstanceAutomatedBackups: [{ Status: "creating" }] })).toBeCloseTo(0, 1);
    expect(await ageOf({ DBInstanceAutomatedBackups: [] })).toBeCloseTo(0, 1);
  });
});

describe("counters", () => {
  test("give differences: none at first, none after a reset", () => {
    const since = counter();
    expect([10, 15, 15, 3, 7].map(since)).toEqual([undefined, 5, 0, undefined, 4]);
  });

  test("of several names leave out those without a difference", () => {
    const since = counters<"a" | "b">();
    since({ a: 1, b: 5 });
    expect(since({ a: 2, b: 1 })).toEqual({ a: 1 });
  });
});

describe("health", () => {
  test("is not ready before every part was heard of, and says since when and why", () => {
    let now = new Date("2026-01-01T00:00:00Z");
    const health = new Health(["primary", "pool"], () => now);
    health.note([{ part: "primary" }]);
    expect(health.ready).toBe(false);
    health.note([{ part: "pool" }]);
    expect(health.ready).toBe(true);
    now = new Date("2026-01-01T00:01:00Z");
    health.note([{ part: "pool", reason: "full" }]);
    now = new Date("2026-01-01T00:02:00Z");
    health.note([{ part: "pool", reason: "fuller" }]);
    expect(health.report()).toMatchObject({
      status: "not ready",
      parts: { pool: { state: "failing", since: "2026-01-01T00:01:00.000Z", reason: "fuller" } },
    });
  });

  test("takes no part that this deployment does not have", () => {
    const health = new Health(["primary"]);
    health.note([{ part: "lag", reason: "no replica" }]);
    expect(Object.keys(health.report().parts)).toEqual(["primary"]);
  });
});

describe("pools", () => {
  test.each([
    ["both families", ["::1", "fd00::2", "127.0.0.1", "10.0.0.2"], ["::1", "fd00::2"]],
    ["the second family alone", ["127.0.0.1", "10.0.0.2"], ["127.0.0.1", "10.0.0.2"]],
    ["one pod of two", ["10.0.0.2"], [undefined, "10.0.0.2"]],
    ["nowhere", [], [undefined, undefined]],
  ])(
    "of pods with addresses of two families, which listen on %s, are each asked once",
    async (_on, listens, answers) => {
      const addresses = ["::1", "fd00::2", "127.0.0.1", "10.0.0.2"].map((address) => {
        return { address, family: address.includes(":") ? 6 : 4 };
      });
      const ask = (address: string) =>
        listens.includes(address) ? Promise.resolve(address) : Promise.reject(new Error("ECONNREFUSED"));
      expect(await byPod(addresses, ask)).toEqual(answers);
    },
  );

  const pool = (database: string, waiting: number, active: number, wait = "0") => ({
    database,
    cl_waiting: String(waiting),
    sv_active: String(active),
    maxwait: wait,
    maxwait_us: "500000",
  });
  const databases = [
    { name: "authensor", max_connections: "4" },
    { name: "pgbouncer", max_connections: "0" },
  ];

  test("are as full as the fullest of any pod, each entry's roles together", () => {
    const idle = { pools: [pool("authensor", 0, 0)], databases };
    const busy = { pools: [pool("authensor", 2, 2), pool("authensor", 1, 1, "3")], databases };
    expect(saturation([idle, busy])).toEqual({ usedPercent: 75, waiting: 3, longestWaitSeconds: 3.5 });
  });

  test("of no pod are empty, not a crash", () => {
    expect(saturation([])).toEqual({ usedPercent: 0, waiting: 0, longestWaitSeconds: 0 });
  });
});

describe("the time that 95 of 100 statements take at most, by the means of their kinds,", () => {
  const kinds = (...spent: [calls: number, mean: number][]) =>
    spent.map(([calls, mean], id) => ({ id: `${id}`, role: "app", calls, milliseconds: calls * mean }));

  test.each([
    ["is the mean of the only kind, however far its calls differ", kinds([100, 3]), 3],
    ["leaves out 5 of 100 calls that are slow", kinds([5, 900], [95, 2]), 2],
    ["does not leave out 6 of 100", kinds([6, 900], [94, 2]), 900],
    ["goes by calls and not by kinds: one call of many kinds counts little", kinds([1, 50], [1, 60], [998, 2]), 2],
    ["is the slowest kind's of a few calls", kinds([1, 4], [1, 8]), 8],
  ])("%s", (_, spent, expected) => {
    expect(p95OfMeans(spent)).toBe(expected);
  });
});

describe("the text of a statement, as the log may have it,", () => {
  const withheld = "not told: it holds a string or a comment";

  test.each([
    ["is one line", "select *\n  from receipts\twhere id = $1", "select * from receipts where id = $1"],
    ["is cut", `select ${"a, ".repeat(100)} b`, `select ${"a, ".repeat(100)}`.slice(0, 200)],
    [
      "keeps numbers in names, and no other",
      "select a1, .5, 1e9 from t_2 limit $12",
      "select a1, ?, ? from t_2 limit $12",
    ],
    ["holds no string", "select 'hunter2'", withheld],
    ["holds no string that begins beyond its end", `select ${"a, ".repeat(100)} 'hunter2'`, withheld],
    ["holds no string between dollars", "select $$hunter2$$", withheld],
    ["holds no string between named dollars", "select $a$hunter2$a$", withheld],
    ["holds no comment", "/* hunter2 */ select 1", undefined],
    ["holds no comment inside", "select 1 /* hunter2 */", withheld],
    ["holds no comment to the end of the line", "select 1 -- hunter2", withheld],
    ["is none of a password's", "alter role authensor_app password 'hunter2'", undefined],
    ["is none of a block's", "do $$ begin perform 'hunter2'; end $$", undefined],
    ["is none of a plan's", "explain select 'hunter2'", undefined],
    ["is one where it begins with a bracket", "(select a) union all (select b)", "(select a) union all (select b)"],
    ["is one in capitals", "WITH a AS (SELECT $1) SELECT * FROM a", "WITH a AS (SELECT $1) SELECT * FROM a"],
  ])("%s", (_, query, expected) => {
    expect(textWithoutValues(query)).toBe(expected);
  });
});

describe("how far a verification of the whole trail is", () => {
  test.each<[string, number, number, Partial<Request>, number | undefined]>([
    ["is a share of about all receipts", 399, 1000, {}, 39],
    ["is never all of them: the number of all is a guess", 1200, 1000, {}, 99],
    ["is not known where nobody has counted", 10, 0, {}, undefined],
    ["is not told of a part: since a time", 10, 100, { since: "2026-11-01T00:00:00Z" }, undefined],
    ["is not told of a part: after an anchor", 10, 100, { from: {} as Request["from"] }, undefined],
    ["is not told of a part: receipts of no agent", 10, 100, { agent: "" }, undefined],
  ])("%s", (_, receipts, estimate, asked, expected) => {
    expect(percentOf(receipts, estimate, asked as Request)).toBe(expected);
  });
});

test("a certificate counts until the first of the chain ends", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const ends = [{ validTo: "Jan 31 00:00:00 2026 GMT" }, { validTo: "Jan 11 00:00:00 2026 GMT" }];
  expect(daysLeft(ends, now)).toBe(10);
});

describe("Prometheus", () => {
  test("shows no value that nobody measured, nor one that could not be measured again", async () => {
    const prometheus = new Prometheus("x");
    const name = prometheusName("ReplicationLagSeconds");
    expect(name).toBe("authensor_postgres_replication_lag_seconds");
    const shown = async () => (await prometheus.registry.metrics()).split("\n").filter((line) => line.startsWith(name));
    expect(await shown()).toEqual([]);
    prometheus.set({ name: "ReplicationLagSeconds", value: 3 });
    expect(await shown()).toEqual([`${name}{environment="x"} 3`]);
    prometheus.forget(["ReplicationLagSeconds"]);
    expect(await shown()).toEqual([]);
  });
});

describe("the table of metrics", () => {
  test.each(metricNames)("%s says what it is in one sentence, without a full stop", (name) => {
    expect(metrics[name].what).toMatch(/^[A-Z].*[^.]$/);
  });

  test("is read by label where there is a further dimension", () => {
    expect(samplesOf({ Receipts: { deny: 2, allow: 1 }, MonthsAhead: 3 })).toEqual([
      { name: "Receipts", label: "deny", value: 2 },
      { name: "Receipts", label: "allow", value: 1 },
      { name: "MonthsAhead", value: 3 },
    ]);
  });

  test("sources have names of their own, and give up before they are due again", () => {
    const sources = sourcesFor({
      urls: [],
      archiveMinutes: 20,
      copiesArn: "arn:aws:rds:eu-north-1:1:auto-backup:ab-1",
    });
    expect(new Set(sources.map(({ name }) => name)).size).toBe(sources.length);
    for (const { timeoutSeconds, everySeconds } of sources) expect(timeoutSeconds).toBeLessThan(everySeconds);
  });
});
