/** Whole nights in seconds: every alarm of a deployment, evaluated over what its monitor and RDS publish. */
import { setImmediate } from "node:timers/promises";
import type { PutMetricDataCommandInput } from "@aws-sdk/client-cloudwatch";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAlarms, type Action, type Alarm as LocalAlarm } from "../../cloud/aws/cloudwatch/definitions";
import { Evaluator } from "../../cloud/aws/cloudwatch/evaluator";
import { compositeAlarmType, metricAlarmType } from "../../cloud/aws/cloudwatch/handlers";
import { cloudWatchRoot } from "../../cloud/aws/cloudwatch/service";
import { Store, type Identity, type Summary } from "../../cloud/aws/cloudwatch/store";
import { gib } from "../../components/monitoring/alarm";
import { alarmsFor } from "../../components/monitoring/alarmTable";
import { Alarms, type AlarmsArgs } from "../../components/monitoring/alarms";
import { metricNames, metrics, namespace, type Metric, type MetricName } from "../../ops/monitor/metrics";
import { silentLog } from "../../ops/log";
import { Publisher } from "../../ops/monitor/publisher";
import { roles } from "../../ops/roles";
import { FakeCloud } from "../local/fakeCloud";
import { record } from "./mocks";
import { alarmThresholds } from "../alarmThresholds";

const server = { capacity: { vcpus: 2, memoryGib: 4, burstable: true }, storageGib: 100 };
const places = {
  primary: { ...server, region: "eu-central-1", identifier: "primary" },
  replica: { ...server, region: "eu-west-1", identifier: "replica" },
};
const args: AlarmsArgs = {
  environment: "prod",
  thresholds: alarmThresholds,
  copies: true,
  drills: true,
  retires: true,
  monthsAhead: 3,
  emails: { page: [], ticket: [] },
  topicArns: { page: [], ticket: [] },
  kmsKeyArns: {},
  ...places,
  tags: {},
};
const rows = alarmsFor(args);

let alarms: LocalAlarm[];
const cloud = new FakeCloud();
beforeAll(async () => {
  const world = await record(() => new Alarms("a", args));
  for (const type of [metricAlarmType, compositeAlarmType])
    for (const { name, inputs } of world.all(type)) await cloud.create(type, name, inputs);
  alarms = readAlarms(cloudWatchRoot(cloud.root));
});
afterAll(() => cloud.destroy());

type Value = number | Record<string, number>;
type Values = Partial<Record<MetricName, Value>> & { server?: Record<string, number | undefined> };

/** What a deployment publishes that nobody uses: a metric that is missing here does not compile. */
const idle: Record<MetricName, Value> = {
  HeartbeatsWritten: 60,
  ReplicationLagSeconds: 0.9,
  ReplicationLagBytes: 300,
  ReplicaConnected: 1,
  SlotRetainedBytes: 16 * 1024 ** 2,
  ConnectionsUsedPercent: 8,
  Connections: { [roles.app]: 4, [roles.monitor]: 3 },
  ConnectionsActive: 1,
  ConnectionsIdleInTransaction: 0,
  OldestTransactionSeconds: 0,
  Commits: 70,
  Rollbacks: 0,
  Deadlocks: 0,
  TemporaryBytes: 0,
  TransactionIdsUsedPercent: 0.1,
  LockTableUsedPercent: 1,
  WalBytes: 20_000,
  CheckpointsTimed: 0,
  CheckpointsRequested: 0,
  StatementMilliseconds: { [roles.app]: 0.4 },
  StatementP95OfMeansMilliseconds: { [roles.app]: 0.6 },
  SlowestStatementMilliseconds: 0.8,
  DeadTuplesPercent: 0,
  PoolUsedPercent: 0,
  PoolWaitingClients: 0,
  PoolLongestWaitSeconds: 0,
  PoolersUnreachable: 0,
  PoolQueryMilliseconds: 12,
  MonthsAhead: 3,
  RowsOutsideMonths: 0,
  Receipts: {},
  ControlPlaneReady: 1,
  ArchiveAgeMinutes: 4,
  DumpAgeMinutes: 40,
  ArchiveProblems: 0,
  CopiesAgeMinutes: 6,
  DrillAgeDays: 40,
  DrillProblems: 0,
  DrillRtoMinutes: 35,
  DrillRpoMinutes: 12,
  CertificateDaysLeft: 300,
  ProgramsFailed: 0,
  ProgramAgeHours: { partitions: 12, compact: 24, hold: 24, retire: 24 },
  VerificationFindings: 0,
  VerificationUnverified: 0,
  VerificationAgeHours: { recent: 12, whole: 90, archived: 400 },
  VerificationProgressPercent: 40,
  SourcesFailing: 0,
};
const idleServer = {
  FreeStorageSpace: 80 * gib,
  CPUUtilization: 4,
  FreeableMemory: 2 * gib,
  CPUCreditBalance: 576,
  ReplicaLag: 1,
};

/** The alarms over a clock of its own, in CloudWatch's own steps of ten seconds. */
class Time {
  private readonly store = new Store();
  readonly actions: Action[] = [];
  private readonly evaluator = new Evaluator(this.store, {}, (action) => this.actions.push(action));
  private now = 1_800_000_000;

  /** @param publisher by which the monitor's metrics come; they come at once where there is none */
  constructor(private readonly publisher?: Publisher) {}

  /** A call of the publisher's, as CloudWatch takes it. */
  take({ MetricData = [] }: PutMetricDataCommandInput): void {
    for (const {
      MetricName: name = "",
      Dimensions = [],
      Timestamp,
      Values = [],
      StorageResolution = 60,
    } of MetricData) {
      const dimensions = Object.fromEntries(Dimensions.map(({ Name = "", Value = "" }) => [Name, Value]));
      const metric = { region: places.primary.region, namespace, name, dimensions };
      for (const value of Values)
        this.store.add(metric, Timestamp!.getTime() / 1000, summaryOf(value), StorageResolution);
    }
  }

  /** How many of the last minutes there is nothing of. */
  lacking(name: MetricName, minutes: number): number {
    const metric = { region: places.primary.region, namespace, name, dimensions: { Environment: "prod" } };
    const range = { since: this.now - 60 * (minutes + 1), period: 60, length: minutes };
    return this.store.periods(metric, range).filter((found) => found === undefined).length;
  }

  /** @param values what differs from an idle deployment at this second of the stretch; undefined where the monitor is silent */
  play(seconds: number, values: (second: number) => Values | undefined = () => ({})): void {
    for (let second = 0; second < seconds; second += 10, this.now += 10) {
      const wholeMinute = this.now % 60 === 0;
      const now = values(second);
      if (now !== undefined) for (const name of metricNames) this.publish(name, { ...idle, ...now }[name], wholeMinute);
      if (wholeMinute)
        for (const [name, value] of Object.entries({ ...idleServer, ...now?.server }))
          for (const { region, identifier } of value === undefined ? [] : Object.values(places))
            this.put(
              { region, namespace: "AWS/RDS", name, dimensions: { DBInstanceIdentifier: identifier } },
              value,
              60,
            );
      this.evaluator.evaluate(alarms, this.now);
    }
  }

  /** Names of the alarms that are in ALARM, without their composites. */
  get alarming(): string[] {
    return alarms
      .filter(({ kind, arn }) => kind === "metric" && this.evaluator.states[arn]?.state === "ALARM")
      .map(({ name }) => name.replace("authensor-prod-", ""));
  }

  private publish(name: MetricName, value: Value, wholeMinute: boolean): void {
    const metric: Metric = metrics[name];
    if (!metric.fast && !wholeMinute) return;
    const at = new Date(1000 * (this.now - (metric.fast ? 10 : 60)));
    for (const [label, one] of typeof value === "number" ? [["", value] as const] : Object.entries(value)) {
      this.publisher?.add([{ name, at, values: [one], ...(metric.by && { label }) }]);
      if (this.publisher) continue;
      const dimensions = { Environment: "prod", ...(metric.by && { [metric.by]: label }) };
      this.put({ region: places.primary.region, namespace, name, dimensions }, one, metric.fast ? 1 : 60);
    }
  }

  /** Of the span before now, which has just ended. */
  private put(metric: Identity, value: number, resolution: number): void {
    const at = this.now - (resolution === 1 ? 10 : 60);
    this.store.add(metric, at, summaryOf(value), resolution);
  }
}

const summaryOf = (value: number): Summary => ({ count: 1, sum: value, minimum: value, maximum: value });

const hour = 3600;
const alarmsOf = ({ actions }: Time) => actions.filter(({ state }) => state === "ALARM").map(({ alarm }) => alarm);

describe("nobody is woken", () => {
  test("by an idle night, from the first minute of a deployment on", () => {
    const time = new Time();
    time.play(8 * hour);
    expect(alarmsOf(time)).toEqual([]);
  });

  test("by a busy day: pods that roll, a monitor that is restarted, a replica and a pool that fall behind for a moment", () => {
    const time = new Time();
    time.play(8 * hour, (second) => {
      const minute = Math.floor(second / 60);
      if (minute % 120 === 60 && second % 60 < 50) return undefined; // the monitor starts anew
      return {
        ControlPlaneReady: minute % 90 === 30 ? 0 : 1,
        ReplicationLagSeconds: second % hour < 20 ? 14 : 2,
        PoolUsedPercent: minute % 10 < 3 ? 100 : 85,
        PoolWaitingClients: minute % 10 === 0 ? 12 : 0,
        PoolLongestWaitSeconds: minute % 10 === 0 ? 6 : 0.2,
        PoolersUnreachable: minute % 60 === 5 ? 1 : 0,
        Deadlocks: minute % 30 === 0 ? 2 : 0,
        HeartbeatsWritten: minute % 240 === 100 ? 20 : 59,
        StatementMilliseconds: { [roles.app]: minute % 20 === 0 ? 300 : 8 },
        OldestTransactionSeconds: minute % 60,
        DeadTuplesPercent: minute % 60 < 20 ? 35 : 10,
        SourcesFailing: minute % 45 < 2 ? 1 : 0,
        ConnectionsUsedPercent: 70,
        server: { CPUUtilization: minute % 30 < 10 ? 95 : 75, CPUCreditBalance: 120, ReplicaLag: 8 },
      };
    });
    expect(alarmsOf(time)).toEqual([]);
  });
});

test("before the first data is there, nothing but the monitor's silence is told", () => {
  const time = new Time();
  time.play(600, () => undefined);
  expect(time.alarming).toEqual(["monitor-silent"]);
});

describe("an alarm fires for as long as there is reason to, and then clears:", () => {
  // Of hours' rates, the rest is tested where metric math is.
  const short = rows.filter(({ period, measured }) => period <= 300 && !("expression" in measured));
  test.each(short.map((row) => [row.name, row] as const))("%s", (name, row) => {
    const { measured, threshold, comparison, datapoints, period } = row;
    const bad = comparison === "above" ? threshold * 1.5 + 1 : threshold / 2 - 0.01;
    const value = measured.of === "monitor" && measured.label !== undefined ? { [measured.label]: bad } : bad;
    const silent = name === "monitor-silent";
    const trouble = (): Values | undefined =>
      silent
        ? undefined
        : measured.of === "monitor"
          ? { [measured.metric]: value }
          : { server: { [measured.metric]: bad } };
    const time = new Time();
    time.play(20 * 60);
    time.play((datapoints[1] + 2) * period + 60, trouble);
    expect(time.alarming).toContain(name);
    time.play((datapoints[1] + 2) * period + 60);
    expect(time.alarming).toEqual([]);
    expect(new Set(time.actions.map(({ state }) => state))).toEqual(new Set(["ALARM", "OK"]));
  });

  test("a replica that stops replaying, within a minute", () => {
    const time = new Time();
    time.play(1200);
    time.play(60, (second) => ({ ReplicationLagSeconds: second }));
    expect(time.alarming).toEqual(["replication-lag"]);
  });

  test("a replica that is stopped, by its lag and as disconnected, within five minutes; once it has caught up all is well", () => {
    const time = new Time();
    const noReplica = { ReplicaLag: undefined };
    time.play(1200);
    // The primary gives up its connection after wal_sender_timeout, 30 s on RDS.
    const stopped = (second: number): Values => ({
      ReplicationLagSeconds: second,
      ReplicaConnected: second < 30 ? 1 : 0,
      SlotRetainedBytes: second * 1024 ** 2,
      SourcesFailing: 1,
      server: noReplica,
    });
    time.play(60, stopped);
    expect(time.alarming).toEqual(["replication-lag"]);
    time.play(240, (second) => stopped(60 + second));
    expect(time.alarming.sort()).toEqual(["replica-disconnected", "replication-lag"]);
    time.play(120, (second) => ({ ReplicationLagSeconds: 300 - 2.5 * second }));
    time.play(240);
    expect(time.alarming).toEqual([]);
  });

  test.each(["refuses all calls", "hangs"])(
    "a CloudWatch that %s for ten minutes, by the monitor's silence alone; nothing that was measured meanwhile is lost",
    async (trouble) => {
      let [takes, calls] = [true, 0];
      const giveUp: (() => void)[] = [];
      const send = (input: PutMetricDataCommandInput): Promise<void> => {
        calls++;
        if (takes) return Promise.resolve(time.take(input));
        return new Promise((_, reject) => {
          giveUp.push(() => reject(new Error("TimeoutError")));
          if (trouble === "refuses all calls") giveUp.pop()!();
        });
      };
      const publisher = new Publisher("prod", send, silentLog);
      const time = new Time(publisher);
      const minutes = async (count: number) => {
        for (let turn = 0; turn < 6 * count; turn++) {
          time.play(10);
          // As the monitor does it: not waited for.
          void publisher.flush();
          await setImmediate();
        }
      };
      await minutes(20);
      expect([publisher.waiting, time.alarming]).toEqual([0, []]);

      time.actions.length = 0;
      [takes, calls] = [false, 0];
      await minutes(10);
      expect(time.alarming).toEqual(["monitor-silent"]);
      // The twelve hours that are kept have room for so much more.
      expect(publisher.waiting).toBeLessThan(50_000 / 60);
      expect(calls).toBe(trouble === "hangs" ? 1 : 60);

      takes = true;
      for (const reject of giveUp) reject();
      await minutes(10);
      expect([publisher.waiting, time.alarming]).toEqual([0, []]);
      for (const name of ["Commits", "ReplicationLagSeconds"] as const) expect(time.lacking(name, 20)).toBe(0);
      expect(alarmsOf(time)).toEqual(["authensor-prod-monitor-silent"]);
    },
  );

  test("a primary that is gone with its region wakes somebody by the replica's region alone", () => {
    const time = new Time();
    time.play(1200);
    time.play(20 * 60, (second) => ({ server: { ReplicaLag: second } }));
    expect(time.alarming).toEqual(["replica-lag-by-rds"]);
    expect(rows.find(({ name }) => name === "replica-lag-by-rds")).toMatchObject({
      place: "replica",
      severity: "page",
    });
  });
});
