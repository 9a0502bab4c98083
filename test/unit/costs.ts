/** What a stack costs a month, from the resources that the program makes: `npm run costs` writes docs/costs.md. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import program from "../..";
import { fastEverySeconds, metrics, type Metric } from "../../ops/monitor/metrics";
import { roles } from "../../ops/roles";
import { scopes } from "../../ops/verify/overdue";
import { record, type Recorded, type World } from "./mocks";
import { configOf } from "./stacks";

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
};

/** What no resource says. */
export const assumed = { hours: 730, walGib: 30 };

export interface Cost {
  what: string;
  /** How it was computed. */
  how: string;
  usd: number;
}

function priced<T>(table: Record<string, T>, key: string): T {
  const found = table[key];
  if (found === undefined) throw new Error(`test/unit/costs.ts has no price for ${key}`);
  return found;
}

const text = (resource: Recorded, key: string) => String(resource.inputs[key]);

function serverCosts(server: Recorded, storageGib: number): Cost[] {
  const role = server.inputs.replicateSourceDb === undefined ? "Primary" : "Replica";
  const [region, instanceClass] = [text(server, "region"), text(server, "instanceClass")];
  const zones = server.inputs.multiAz === true ? 2 : 1;
  const times = zones === 2 ? " × 2 (Multi-AZ)" : "";
  const hour = priced(priced(prices.instanceHour, instanceClass), region);
  const storage = priced(prices.storage, region);
  return [
    {
      what: `${role}, ${instanceClass}, ${region}`,
      how: `${assumed.hours} h × ${hour}${times}`,
      usd: assumed.hours * hour * zones,
    },
    {
      what: `${role}'s storage, gp3`,
      how: `${storageGib} GiB × ${storage}${times}`,
      usd: storageGib * storage * zones,
    },
  ];
}

function copyCosts(copies: Recorded, storageGib: number): Cost[] {
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
function watchingCosts(world: World<unknown>): Cost[] {
  const all: Metric[] = Object.values(metrics);
  const series = all.reduce((sum, { by }) => sum + (by ? seriesBy[by] : 1), 0);
  const alarms = world.all("aws:cloudwatch/metricAlarm:MetricAlarm");
  const fast = alarms.filter(({ inputs }) => Number(inputs.period) < 60).length;
  const standard = alarms.length - fast;
  const composites = world.all("aws:cloudwatch/compositeAlarm:CompositeAlarm").length;
  const dashboards = world.all("aws:cloudwatch/dashboard:Dashboard").length;
  const thousands = (assumed.hours * 3600) / fastEverySeconds / 1000;
  return [
    {
      what: "CloudWatch: the monitor's metrics",
      how: `${series} series × ${prices.metric}, at most`,
      usd: series * prices.metric,
    },
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
    {
      what: "CloudWatch: publishing",
      how: `${thousands.toFixed(0)} thousand PutMetricData, one every ${fastEverySeconds} s, × ${prices.thousandRequests}`,
      usd: thousands * prices.thousandRequests,
    },
  ];
}

/** One line per kind of thing that costs. */
export function costsOf(world: World<unknown>): Cost[] {
  const servers = world.all("aws:rds/instance:Instance");
  const storageGib = Math.max(...servers.map(({ inputs }) => Number(inputs.allocatedStorage ?? 0)));
  const keys = world.all("aws:kms/key:Key").length;
  const secrets = world.all("aws:secretsmanager/secret:Secret");
  const copiesOfSecrets = secrets.map(({ inputs }) => 1 + ((inputs.replicas as unknown[] | undefined)?.length ?? 0));
  const secretCount = copiesOfSecrets.reduce((sum, count) => sum + count, 0);
  const hasReplica = servers.some(({ inputs }) => inputs.replicateSourceDb !== undefined);
  return [
    ...servers.flatMap((server) => serverCosts(server, storageGib)),
    ...(hasReplica
      ? [
          {
            what: "Transfer to the replica",
            how: `${assumed.walGib} GiB × ${prices.transfer}`,
            usd: assumed.walGib * prices.transfer,
          },
        ]
      : []),
    ...world
      .all("aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication")
      .flatMap((copies) => copyCosts(copies, storageGib)),
    { what: "KMS keys", how: `${keys} × ${prices.key}`, usd: keys * prices.key },
    {
      what: "Secrets Manager, copies counted",
      how: `${secretCount} × ${prices.secret}`,
      usd: secretCount * prices.secret,
    },
    ...watchingCosts(world),
  ];
}

function tableOf(costs: readonly Cost[]): string {
  const total = costs.reduce((sum, { usd }) => sum + usd, 0);
  return [
    "| what | how | USD a month |",
    "| --- | --- | ---: |",
    ...costs.map(({ what, how, usd }) => `| ${what} | ${how} | ${usd.toFixed(2)} |`),
    `| **Together** | | **${total.toFixed(0)}** |`,
  ].join("\n");
}

export const costsPage = (dev: World<unknown>, prod: World<unknown>) => `# What it costs

Computed by \`npm run costs\` from the resources that the program makes for \`Pulumi.dev.yaml\` and \`Pulumi.prod.yaml\`; a unit test keeps
this page current. **The prices are not confirmed**: AWS' list prices on demand, in USD, November 2026, written down without a price list at
hand; those of the instances may be off by a tenth. Check them in the [AWS Pricing Calculator](https://calculator.aws) before you rely on them.

Assumed: ${assumed.hours} hours a month, ${assumed.walGib} GiB of write-ahead log a month.

## dev

${tableOf(costsOf(dev))}

## prod

${tableOf(costsOf(prod))}

## Not counted

- Logs: CloudWatch charges by what the servers write (about 0.6 a GiB); how much that is depends on the load and is not known.
- What looks at the metrics: a thousand metrics read by an open dashboard or a tool cost ${prices.thousandRequests}. E-mails of SNS: a thousand a month are free.
- The bucket: about 0.02 a GiB and month, less as objects grow colder; it depends on what is written to it.
- Growth of the storage, up to \`maxStorageGib\`; backups of the primary beyond the size of its storage.
- Reads across the peering (${prices.transfer} a GiB), requests to KMS (one for each bucket and hour, and a few for each secret).
- A KMS key costs one more for each of its first two yearly rotations.
- A drill, each quarter: a server of the primary's class in one zone with its storage, for as long as it runs. Drills, and \`verify-archived\` each
  month, read the whole bucket (${prices.transfer} a GiB from its region to the cluster's).
- The EKS cluster and its nodes, which are there already.
- Taxes. Reserved instances cost a third less for one year (not confirmed).
`;

if (require.main === module) {
  const recorded = (stack: "dev" | "prod") => record<unknown>(program, { stack, config: configOf(stack) });
  void (async () => {
    const page = costsPage(await recorded("dev"), await recorded("prod"));
    writeFileSync(join(__dirname, "../../docs/costs.md"), page);
  })();
}
