/**
 * Real trouble on a real deployment: what the monitor sees of it, which alarm tells whom, and that it ends with the trouble. The monitor and
 * CloudWatch live by a clock that is hurried, all else by the machine's.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudWatchClient, GetMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { RDSClient, RebootDBInstanceCommand } from "@aws-sdk/client-rds";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { files, readAlarms, readJson, readStates, type Action } from "../../cloud/aws/cloudwatch/definitions";
import { Evaluator } from "../../cloud/aws/cloudwatch/evaluator";
import { cloudWatch, cloudWatchRoot } from "../../cloud/aws/cloudwatch/service";
import { Store } from "../../cloud/aws/cloudwatch/store";
import { stopEndpoint, urlOf } from "../../cloud/aws/endpoint";
import { keysOf } from "../../cloud/aws/iam/keys";
import { rdsApi } from "../../cloud/aws/rds/api/service";
import { readIfThere } from "../../cloud/host/files";
import { pidFiles, running } from "../../cloud/host/pidFile";
import { waitUntil } from "../../cloud/host/wait";
import { firstReceipt } from "../../local/firstReceipt";
import { namespace, type MetricName } from "../../ops/monitor/metrics";
import { LocalCloud } from "./commands";
import { HurriedClock } from "./hurry";

const instance = "aws:rds/instance:Instance";
const deployment = "kubernetes:apps/v1:Deployment";
const region = "eu-central-1";

const cloud = new LocalCloud();
let root: string;
let clock: HurriedClock;
beforeAll(async () => {
  const result = await cloud.run("up");
  expect(result.code, result.stderr).toBe(0);
  root = cloudWatchRoot(cloud.root);
  clock = new HurriedClock(8);
  const monitor = pidFiles(cloud.directoryOf(deployment, "-monitor"));
  expect(monitor).toHaveLength(1);
  for (const pidFile of [join(root, "cloudwatch.pid"), ...monitor]) await clock.hurry(pidFile);
});
afterAll(() => cloud.remove());

/** As RDS' own superuser, for what no customer could do. */
async function asSuperuser(ending: "primary" | "replica", work: (client: Client) => Promise<void>): Promise<void> {
  const [port = 0] = cloud.ports(`-${ending}`);
  const host = cloud.directoryOf(instance, `-${ending}`);
  const client = new Client({ host, port, user: "rdsadmin", database: "authensor" });
  await client.connect();
  await work(client).finally(() => client.end());
}

const fullName = (alarm: string) => `authensor-local-${alarm}`;

function stateOf(alarm: string): string {
  const { arn = "" } = readAlarms(root).find(({ name }) => name === fullName(alarm)) ?? {};
  return readStates(root)[arn]?.state ?? "none";
}

/** By then every metric is published once more, and evaluated. */
const slowest = { timeoutMs: 260_000, everyMs: 200 };

async function enters(alarm: string, wanted: "ALARM" | "OK"): Promise<void> {
  await waitUntil(`${alarm} is in ${wanted}`, () => stateOf(alarm) === wanted, slowest);
}

/** In order, who was told what of an alarm. */
function told(alarm: string): { state: string; topic: string | undefined }[] {
  const lines = (readIfThere(files(root).actions) ?? "").split("\n").filter((line) => line !== "");
  const actions = lines.map((line) => JSON.parse(line) as Action).filter((action) => action.alarm === fullName(alarm));
  return actions.map(({ state, target }) => ({ state, topic: /:([^:]+)$/.exec(target)?.[1] }));
}

function expectPaged(alarm: string): void {
  const topic = expect.stringMatching(/^authensor-local-page/) as string;
  expect(told(alarm)).toEqual([
    { state: "ALARM", topic },
    { state: "OK", topic },
  ]);
}

const monitorUrl = () => `http://127.0.0.1:${cloud.ports("-monitor")[0]}`;

type Health = Record<string, { state: string; reason?: string }>;

async function health(): Promise<{ status: number; parts: Health }> {
  const response = await fetch(`${monitorUrl()}/health/ready`);
  const { parts } = (await response.json()) as { parts: Health };
  return { status: response.status, parts };
}

/** Until `/health/ready` answers 503 and why. */
async function notReady(part: string, why: RegExp): Promise<void> {
  const said = async () => {
    const { status, parts } = await health();
    return status === 503 && why.test(parts[part]?.reason ?? "");
  };
  await waitUntil(`/health/ready says of ${part} ${why}`, said, slowest);
}

async function readyAgain(part: string): Promise<void> {
  await waitUntil(`${part} is well`, async () => (await health()).parts[part]?.state === "ok", slowest);
}

/** The minutes since then, or of the last ten, of which CloudWatch has a metric: when each began, in seconds. */
async function minutesOf(metric: MetricName, since = clock.now() / 1000 - 600): Promise<number[]> {
  const endpoint = urlOf(cloudWatch, cloud.root)!;
  const client = new CloudWatchClient({ region, endpoint, credentials: keysOf(cloud.root), maxAttempts: 1 });
  const Dimensions = [{ Name: "Environment", Value: "local" }];
  const { MetricDataResults: [found] = [] } = await client.send(
    new GetMetricDataCommand({
      StartTime: new Date(since * 1000),
      EndTime: new Date(clock.now()),
      MetricDataQueries: [
        {
          Id: "m",
          MetricStat: {
            Metric: { Namespace: namespace, MetricName: metric, Dimensions },
            Period: 60,
            Stat: "Maximum",
          },
        },
      ],
    }),
  );
  return (found?.Timestamps ?? []).map((at) => at.getTime() / 1000).sort((a, b) => a - b);
}

let altered: string;

/** Past every guard, and by now on the replica, which is what verification reads. */
async function alterOutcome(outcome: string): Promise<void> {
  await asSuperuser("primary", async (client) => {
    await client.query("set session_replication_role = replica");
    await client.query("update receipts set decision_outcome = $1 where id = $2", [outcome, altered]);
  });
  await asSuperuser("replica", async (client) => {
    const arrived = "select from receipts where id = $1 and decision_outcome = $2";
    const there = async () => (await client.query(arrived, [altered, outcome])).rowCount === 1;
    await waitUntil("the replica has it", there, slowest);
  });
}

/** As if `partitions` had not run for months: what is there ends with this month, and the future begins with the next. */
const withoutMonthsAhead = `
do $$
declare
  future record;
  ahead  regclass;
begin
  for future in select parent, partition from audit.partitions where kind = 'future' loop
    for ahead in
      select p.partition from audit.partitions p
       where p.parent = future.parent and p.kind = 'month' and p.month > audit.month_of(now())
    loop
      execute format('drop table %s', ahead);
    end loop;
    perform audit.detach_partition(future.parent, future.partition);
    perform audit.attach_partition(future.parent, future.partition,
      audit.month_start((audit.month_of(now()) + interval '1 month')::date), null);
  end loop;
end
$$`;

test("a receipt that a superuser altered is found by the next verification on schedule", async () => {
  altered = (await firstReceipt(cloud.outputs())).receiptId;
  await alterOutcome("allow");
  const { code, stdout, stderr } = await cloud.run("cron", "verify-recent");
  expect(code).toBe(1);
  expect(stdout + stderr).toContain(altered);
});

/** Opened for those that would disturb a test, or that its trouble would disturb, or else by its end. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open!: () => void;
  return { opened: new Promise((resolve) => (open = resolve)), open: () => open() };
}
const [lagProven, trailProven, replicaBack] = [gate(), gate(), gate()];

describe.concurrent("an alarm fires at real trouble, says why, and clears:", { timeout: 400_000 }, () => {
  test("replay that is paused under writes", async ({ onTestFinished }) => {
    onTestFinished(lagProven.open);
    await asSuperuser("replica", async (client) => {
      await client.query("select pg_wal_replay_pause()");
      const behind = async () => {
        const { rows } = await client.query<{ behind: boolean }>(
          "select now() - at > interval '10 seconds' as behind from audit.heartbeat",
        );
        return rows[0]?.behind;
      };
      await waitUntil("the replica is 10 s behind", behind, slowest);
      await notReady("lag", /^the replica is \d{2,} s behind the primary$/);
      await enters("replication-lag", "ALARM");
      const { code, stdout } = await cloud.run("status");
      expect(stdout).toMatch(/ALARM {2}authensor-local-replication-lag since .* more than 10 s behind the primary/);
      expect(code).toBe(1);
      await client.query("select pg_wal_replay_resume()");
    });
    await enters("replication-lag", "OK");
    await readyAgain("lag");
    expectPaged("replication-lag");
  });

  test("a replica that is stopped, by its lag as nobody can tell it, and as disconnected, until it runs again", async ({
    onTestFinished,
  }) => {
    onTestFinished(replicaBack.open);
    await Promise.all([lagProven.opened, trailProven.opened]);
    const { length: before } = told("replication-lag");
    const [replica] = cloud.pids(instance, "-replica");
    process.kill(replica!, "SIGINT");
    await notReady("replica", /^no replica receives WAL from the primary$/);
    await notReady("lag", /^the replica cannot be read$/);
    await enters("replication-lag", "ALARM");
    await enters("replica-disconnected", "ALARM");
    expect(await cloud.run("up")).toMatchObject({ code: 0 });
    replicaBack.open();
    await Promise.all(["replication-lag", "replica-disconnected"].map((alarm) => enters(alarm, "OK")));
    await Promise.all((["replica", "lag"] as const).map((part) => readyAgain(part)));
    expectPaged("replica-disconnected");
    expect(told("replication-lag").slice(before)).toMatchObject([{ state: "ALARM" }, { state: "OK" }]);
  });

  test("months ahead that were taken away, until the program that makes them is run", async () => {
    await asSuperuser("primary", async (client) => {
      await client.query(withoutMonthsAhead);
    });
    await notReady("partitions", /^next month has no partition$/);
    await enters("months-missing", "ALARM");
    // No CronJob is run while a server is stopped.
    await replicaBack.opened;
    expect(await cloud.run("cron", "partitions")).toMatchObject({ code: 0 });
    await enters("months-missing", "OK");
    await readyAgain("partitions");
    expect(told("months-missing")).toMatchObject([
      { state: "ALARM", topic: expect.stringMatching(/^authensor-local-ticket/) as string },
      { state: "OK" },
    ]);
  });

  test("a pool that open transactions have exhausted", async () => {
    const held = new AbortController();
    /** Opens a transaction and forgets it, again and again; whom the pool turns away comes again. */
    const forgetful = async (turn: number) => {
      await sleep(turn * 500);
      while (!held.signal.aborted) {
        const client = new Client({ connectionString: cloud.outputs().auditUrl });
        client.on("error", () => undefined);
        const ended = new Promise((resolve) => client.once("end", resolve));
        const released = new Promise((resolve) => held.signal.addEventListener("abort", resolve, { once: true }));
        try {
          await client.connect();
          await client.query("begin; select 1");
          await Promise.race([ended, released]);
        } catch {
          // Turned away.
        } finally {
          await client.end().catch(() => undefined);
        }
      }
    };
    const clients = Promise.all(Array.from({ length: 40 }, (_, turn) => forgetful(turn)));
    try {
      await notReady("pool", /^\d+ clients wait for a connection, the first for \d+ s: the pool is full$/);
      await enters("pool-waiting", "ALARM");
    } finally {
      held.abort();
      await clients;
    }
    await readyAgain("pool");
    await enters("pool-waiting", "OK");
    expectPaged("pool-waiting");
  });

  test("a trail that a verification has found broken", async ({ onTestFinished }) => {
    onTestFinished(trailProven.open);
    await notReady("verification", /^the last verification of the recent trail has \d+ findings$/);
    await enters("trail-broken", "ALARM");
    await alterOutcome("deny");
    expect(await cloud.run("cron", "verify-recent")).toMatchObject({ code: 0 });
    trailProven.open();
    await enters("trail-broken", "OK");
    await readyAgain("verification");
    expectPaged("trail-broken");
  });
});

test("what the monitor asks every ten minutes it tells each minute: an alarm whose minutes are mostly empty would never fire", async () => {
  const minutes = await minutesOf("CertificateDaysLeft");
  // What is told only when it was asked for has one minute of ten. A slow machine leaves some out.
  expect(minutes.length).toBeGreaterThan(2);
  const published = await minutesOf("SourcesFailing", minutes[0]);
  expect(minutes.length).toBeGreaterThan(published.length / 2);
});

test(
  "a CloudWatch that hangs loses no data point, and a reboot of the primary ends no monitor",
  { timeout: 400_000 },
  async () => {
    const pid = running(join(root, "cloudwatch.pid"))!;
    const [monitor] = cloud.pids(deployment, "-monitor");
    const directory = cloud.directoryOf(deployment, "-monitor");
    const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
    const log = join(directory, names.find((name) => name.endsWith("monitor.log")) ?? "");
    const before = readFileSync(log, "utf8").length;
    const logged = (text: string) =>
      waitUntil(text, () => readFileSync(log, "utf8").slice(before).includes(text), slowest);
    process.kill(pid, "SIGSTOP");
    const since = clock.now() / 1000;
    try {
      const endpoint = urlOf(rdsApi, cloud.root)!;
      const { identifier } = cloud.outputs()["primary"] as { identifier: string };
      const rds = new RDSClient({ region, endpoint, credentials: keysOf(cloud.root) });
      await rds.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: identifier }));
      await logged("CloudWatch takes no metrics; they are kept");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    const until = clock.now() / 1000;
    await logged('"CloudWatch takes metrics again","lost":0');
    await readyAgain("primary");
    const minutes = await waitUntil(
      "what was kept is published, and what came after it",
      async () => {
        const found = await minutesOf("SourcesFailing", since - 120);
        return (found.at(-1) ?? 0) > until && found;
      },
      slowest,
    );
    // Each begins a little more than a minute after the one before it: now and then a whole one is between them, never two.
    const distances = minutes.slice(1).map((at, place) => at - minutes[place]!);
    expect(Math.max(...distances), String(minutes)).toBeLessThanOrEqual(120);
    expect(minutes[0]).toBeLessThanOrEqual(since);
    expect(cloud.pids(deployment, "-monitor")).toEqual([monitor]);
    // By this clock both take minutes on a slow machine, and alarms tell of them truly. They end with them.
    await Promise.all(["monitor-silent", "primary-not-writing"].map((alarm) => enters(alarm, "OK")));
  },
);

test("a monitor that was killed is missed, by one alarm and not by thirty, as the minutes to come will show", async () => {
  for (const pid of cloud.pids(deployment, "-monitor")) process.kill(pid, "SIGKILL");
  expect(await cloud.run("status")).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("DOWN  apps.Deployment authensor-local-monitor") as string,
  });
  // It saves what it has.
  await stopEndpoint(cloudWatch, cloud.root);
  const actions: Action[] = [];
  const store = Store.from(readJson<unknown>(files(root).metrics, []));
  const alarms = readAlarms(root);
  // Whatever a slow machine has made of them: who is in ALARM already tells nobody.
  const well = alarms.map(({ arn }) => [arn, { state: "OK", reason: "", since: "" }] as const);
  const evaluator = new Evaluator(store, Object.fromEntries(well), (action) => actions.push(action));
  // From when on nothing is known any more: how late the machine was before is not asked.
  const silent = Math.ceil(clock.now() / 10_000) * 10 + 300;
  for (let second = 0; second <= 420; second += 10) evaluator.evaluate(alarms, silent + second);
  expect(actions.filter(({ state }) => state === "ALARM").map(({ alarm }) => alarm)).toEqual([
    fullName("monitor-silent"),
  ]);
});
