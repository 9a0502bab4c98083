/**
 * What a stack costs a month, from the resources that the program makes. docs/costs.md is written from it, and a review says by it
 * what a change costs more or less.
 */
import { fastEverySeconds, metrics, type Metric } from "../ops/monitor/metrics";
import { roles } from "../ops/roles";
import { overdueHours } from "../ops/monitor/overdue";
import { scopes } from "../ops/verify/overdue";

/**
 * AWS' list prices on demand, USD, November 2026. Not confirmed: no price list of these regions could be reached. Those of storage, keys,
 * secrets and CloudWatch have not changed for years; those of the instances may be off by a tenth.
 */
export const prices = {
  /** An hour of RDS for PostgreSQL in one zone, by class and region; Multi-AZ costs twice that. */
  instanceHour: {
    "db.t4g.medium": { "eu-central-1": 0.074, "eu-west-1": 0.071 },
    "db.r7g.large": { "eu-central-1": 0.285, "eu-west-1": 0.266 },
  } as Record<string, Record<string, number>>,
  /** A GiB of gp3 for a month in one zone; Multi-AZ costs twice that. */
  storage: { "eu-central-1": 0.137, "eu-west-1": 0.127 } as Record<string, number>,
  /** A GiB of copied backups for a month. */
  backup: 0.095,
  key: 1,
  secret: 0.4,
  /** A GiB from one European region to another. */
  transfer: 0.02,
  /** CloudWatch, a month each: a metric of one's own, up to the first 10,000 of an account. */
  metric: 0.3,
  /** An alarm on one metric, by its period. */
  alarm: { standard: 0.1, highResolution: 0.3 },
  composite: 0.5,
  dashboard: 3,
  /** A thousand requests to CloudWatch, PutMetricData among them. */
  thousandRequests: 0.01,
};

/** How many series a metric with a further dimension has at most. RDS' own role is one of those that are connected. */
const seriesBy: Record<NonNullable<Metric["by"]>, number> = {
  Role: Object.keys(roles).length + 1,
  Outcome: 4, // allow, deny, require_approval, rate_limited
  Scope: scopes.length,
  Program: Object.keys(overdueHours).length,
};

/** What no resource says. */
export const assumed = { hours: 730, walGib: 30 };

/** A resource as the program makes it. */
export interface Priced {
  type: string;
  inputs: Readonly<Record<string, unknown>>;
}

export interface Cost {
  what: string;
  /** How it was computed. */
  how: string;
  /** Undefined where there is no price for it. */
  usd: number | undefined;
}

const text = (resource: Priced, key: string) => String(resource.inputs[key]);

/** AWS' units of size, to which a family's prices are in proportion (RDS' manual, Size-flexible reserved DB instances). */
const sizes: Readonly<Record<string, number>> = {
  ...{ micro: 0.5, small: 1, medium: 2, large: 4, xlarge: 8, "2xlarge": 16, "4xlarge": 32, "8xlarge": 64 },
  ...{ "12xlarge": 96, "16xlarge": 128 },
};

/** From another size of the same family where this one has no price of its own. */
function hourOf(instanceClass: string, region: string): number | undefined {
  const [, family = "", size = ""] = /^(db\.\w+)\.(\w+)$/.exec(instanceClass) ?? [];
  const [other, inRegion] = Object.entries(prices.instanceHour).find(([one]) => one.startsWith(`${family}.`)) ?? [];
  const [units, known, hour] = [sizes[size], sizes[other?.split(".")[2] ?? ""], inRegion?.[region]];
  return units && known && hour && (hour * units) / known;
}

function serverCosts(server: Priced): Cost[] {
  const role = server.inputs.replicateSourceDb === undefined ? "Primary" : "Replica";
  const [region, instanceClass] = [text(server, "region"), text(server, "instanceClass")];
  const zones = server.inputs.multiAz === true ? 2 : 1;
  const times = zones === 2 ? " × 2 (Multi-AZ)" : "";
  const storageGib = Number(server.inputs.allocatedStorage);
  const hour = hourOf(instanceClass, region);
  const storage = prices.storage[region];
  return [
    {
      what: `${role}, ${instanceClass}, ${region}`,
      how: `${assumed.hours} h × ${hour ?? "a price that is not known"}${times}`,
      usd: hour && assumed.hours * hour * zones,
    },
    {
      what: `${role}'s storage, gp3`,
      how: `${storageGib} GiB × ${storage ?? "a price that is not known"}${times}`,
      usd: storage && storageGib * storage * zones,
    },
  ];
}

function copyCosts(copies: Priced, storageGib: number): Cost[] {
  const days = Number(copies.inputs.retentionPeriod);
  const gib = storageGib + (assumed.walGib * days) / 30;
  return [
    {
      what: `Copied backups, ${text(copies, "region")}`,
      how: `${storageGib} GiB and ${days} days of log × ${prices.backup}, at most`,
      usd: gib * prices.backup,
    },
    {
      what: "Transfer to the copied backups",
      how: `${assumed.walGib} GiB × ${prices.transfer}`,
      usd: assumed.walGib * prices.transfer,
    },
  ];
}

/** What CloudWatch takes for the monitor's metrics, and for what looks at them. */
function watchingCosts(resources: readonly Priced[]): Cost[] {
  const all: Metric[] = Object.values(metrics);
  const series = all.reduce((sum, { by }) => sum + (by ? seriesBy[by] : 1), 0);
  const alarms = resources.filter(({ type }) => type === "aws:cloudwatch/metricAlarm:MetricAlarm");
  const fast = alarms.filter(({ inputs }) => Number(inputs.period) < 60).length;
  const standard = alarms.length - fast;
  const composites = count(resources, "aws:cloudwatch/compositeAlarm:CompositeAlarm");
  const dashboards = count(resources, "aws:cloudwatch/dashboard:Dashboard");
  const thousands = (assumed.hours * 3600) / fastEverySeconds / 1000;
  const publishing: Cost = {
    what: "CloudWatch: publishing",
    how: `${thousands.toFixed(0)} thousand PutMetricData, one every ${fastEverySeconds} s, × ${prices.thousandRequests}`,
    usd: thousands * prices.thousandRequests,
  };
  const measured = resources.some(({ type, inputs }) => type === "kubernetes:apps/v1:Deployment" && isMonitor(inputs));
  return [
    ...(measured
      ? [
          {
            what: "CloudWatch: the monitor's metrics",
            how: `${series} series × ${prices.metric}, at most`,
            usd: series * prices.metric,
          },
        ]
      : []),
    {
      what: "CloudWatch: alarms",
      how:
        `${standard} × ${prices.alarm.standard}` +
        (fast > 0 ? ` + ${fast} of high resolution × ${prices.alarm.highResolution}` : "") +
        ` + ${composites} composite × ${prices.composite}`,
      usd: standard * prices.alarm.standard + fast * prices.alarm.highResolution + composites * prices.composite,
    },
    {
      what: "CloudWatch: the dashboard",
      how: `${dashboards} × ${prices.dashboard}`,
      usd: dashboards * prices.dashboard,
    },
    ...(measured ? [publishing] : []),
  ];
}

const count = (resources: readonly Priced[], wanted: string) => resources.filter(({ type }) => type === wanted).length;

function isMonitor({ metadata }: Priced["inputs"]): boolean {
  const { labels } = (metadata ?? {}) as { labels?: Record<string, string> };
  return labels?.["app.kubernetes.io/name"] === "monitor";
}

/**
 * One line per kind of thing that costs.
 * @param storageGib of the primary, which the size of the copied backups follows
 */
export function costsOf(resources: readonly Priced[], storageGib: number): Cost[] {
  const ofType = (wanted: string) => resources.filter(({ type }) => type === wanted);
  const servers = ofType("aws:rds/instance:Instance");
  const keys = count(resources, "aws:kms/key:Key");
  const copiesOfSecrets = ofType("aws:secretsmanager/secret:Secret").map(
    ({ inputs }) => 1 + (Array.isArray(inputs.replicas) ? inputs.replicas.length : 0),
  );
  const secretCount = copiesOfSecrets.reduce((sum, copies) => sum + copies, 0);
  const hasReplica = servers.some(({ inputs }) => inputs.replicateSourceDb !== undefined);
  return [
    ...servers.flatMap(serverCosts),
    ...(hasReplica
      ? [
          {
            what: "Transfer to the replica",
            how: `${assumed.walGib} GiB × ${prices.transfer}`,
            usd: assumed.walGib * prices.transfer,
          },
        ]
      : []),
    ...ofType("aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication").flatMap((copies) =>
      copyCosts(copies, storageGib),
    ),
    { what: "KMS keys", how: `${keys} × ${prices.key}`, usd: keys * prices.key },
    {
      what: "Secrets Manager, copies counted",
      how: `${secretCount} × ${prices.secret}`,
      usd: secretCount * prices.secret,
    },
    ...watchingCosts(resources),
  ];
}

/** USD a month, one to each kind of thing that then costs more or less; undefined where a price is not known. */
export function costChange(
  before: readonly Cost[],
  after: readonly Cost[],
): { what: string; usd: number | undefined }[] {
  const sum = (costs: readonly Cost[], wanted: string) =>
    costs
      .filter(({ what }) => what === wanted)
      .reduce(
        (total: number | undefined, { usd }) => (total === undefined || usd === undefined ? undefined : total + usd),
        0,
      );
  return [...new Set([...before, ...after].map(({ what }) => what))].flatMap((what) => {
    const [old, now] = [sum(before, what), sum(after, what)];
    const usd = old === undefined || now === undefined ? undefined : now - old;
    return usd === undefined || Math.abs(usd) >= 0.005 ? [{ what, usd }] : [];
  });
}
