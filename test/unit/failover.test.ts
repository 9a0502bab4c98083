/** A failover with the primary's region gone: what a state forgets, and what the program then changes in the regions that are left. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Entry } from "../../cloud/engine/state";
import { changedSince, type DecidedOnce, type Recorded } from "../../components/stack/decidedOnce";
import { forget, forgetInExport, type Known } from "../../failover/forget";
import { parseSettings } from "../../settings";
import { onlyAfterFailover, placed } from "../../settings/failover";
import program from "../..";
import { record } from "./mocks";
import { configurationOf, judge, levelOf } from "./policies";
import { type Changed, deploy } from "./settingChanges";
import { configOf } from "./stacks";

const lost = "eu-central-1";
const key = (name: string) => `authensor-database:${name}`;
const { [key("replicaZones")]: _, ...prod } = configOf("prod");
const prepared = { ...prod, [key("replicaEksClusterName")]: "platform-west" };
const instance = "aws:rds/instance:Instance";
/** What the state of a stack says that has failed over. */
const promoted = { host: "replica.example.com", port: 5432, identifier: "authensor-prod-replica-0a1b2c3" };
const failedOver = {
  "pulumi:index:Stash": () => ({ output: { lostRegions: [lost], primaryRegion: "eu-west-1", promoted } }),
};

let before: Entry[];
let stays: Entry[];
let forgotten: Entry[];
let after: Entry[];
let changed: Changed[];
beforeAll(async () => {
  before = (await deploy(prepared, [])).entries;
  ({ stays, forgotten } = forget(before, lost));
  ({ entries: after, changed } = await deploy({ ...prepared, [key("failedOver")]: "true" }, stays));
});

const instances = (entries: readonly Entry[]) => entries.filter(({ type }) => type === instance);
const short = ({ what, change }: Changed) => `${what}: ${change}`;

describe("a state that has forgotten the primary's region", () => {
  test("has nothing of that region, nothing of its cluster, and all else", () => {
    expect(stays.filter(({ region }) => region === lost)).toEqual([]);
    expect(stays.filter(({ type }) => type.startsWith("kubernetes:"))).toEqual([]);
    const elsewhere = forgotten.filter(({ region }) => region !== lost);
    expect(elsewhere.map(({ type }) => type).sort()).toEqual([
      "aws:kms/alias:Alias",
      "aws:kms/key:Key",
      "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
    ]);
    expect(instances(before)).toHaveLength(2);
    expect(instances(stays).map(({ name }) => name)).toEqual(["authensor-prod-replica"]);
    expect(stays.map(({ type }) => type)).toContain("aws:s3/bucket:Bucket");
  });

  test("depends on nothing that it does not know", () => {
    const gone = new Set(forgotten.map(({ urn }) => urn));
    expect(before.some(({ dependencies }) => dependencies.some((urn) => gone.has(urn)))).toBe(true);
    expect(stays.flatMap(({ dependencies }) => dependencies).filter((urn) => gone.has(urn))).toEqual([]);
  });

  test("is not made of a stack in another region, without a replica, or that has forgotten already, nor of another program's", () => {
    expect(() => forget(before, "us-east-1")).toThrow("the primary of this state is in eu-central-1, not in us-east-1");
    const alone = before.filter(({ name, type }) => type !== instance || name !== "authensor-prod-replica");
    expect(() => forget(alone, lost)).toThrow("no server outside eu-central-1: there is no replica to promote");
    expect(() => forget(stays, lost)).toThrow("this state has forgotten eu-central-1 already");
    expect(() => forget([], lost)).toThrow("no state of a deployed stack of this program");
  });

  test("notes where the replica answers, and what it has to keep: its VPC and its key", () => {
    const replica = instances(stays)[0]!;
    const { outputs } = stays.find(({ name }) => name === "decided-once")!;
    expect(outputs["output"]).toMatchObject({
      promoted: {
        host: replica.outputs["address"],
        port: replica.outputs["port"],
        identifier: replica.outputs["identifier"],
      },
      vpcId: expect.stringMatching(/^vpc-/) as string,
      primaryKmsKeyArn: "",
    });
  });
});

test("a stack that was restored keeps knowing what from, so that it fails over with these settings left as they are", () => {
  const restored = { from: "bucket", bucketArn: "arn:aws:s3:::source", bucketKmsKeyArn: "arn:aws:kms:x:1:key/1" };
  const known = before.map((entry) => {
    const output = { ...(entry.outputs["output"] as object), restored };
    return entry.name === "decided-once" ? { ...entry, outputs: { output } } : entry;
  });
  const { outputs } = forget(known, lost).stays.find(({ name }) => name === "decided-once")!;
  const recorded = outputs["output"] as Recorded;
  const now = { ...recorded, primaryRegion: recorded.primaryRegion } as DecidedOnce;
  expect(changedSince(recorded, now, lost, restored)).toEqual([]);
});

describe("an export of Pulumi's", () => {
  const urn = (name: string) => `urn:pulumi:prod::authensor-database::x::${name}`;
  const record = { urn: urn("decided-once"), type: "pulumi:index:Stash", outputs: { output: { primaryRegion: lost } } };
  const replica: Known = {
    ...{ urn: urn("authensor-prod-replica"), type: instance },
    inputs: { region: "eu-west-1", kmsKeyId: "arn:given" },
    outputs: { address: promoted.host, port: promoted.port, identifier: promoted.identifier },
  };
  const gone: Known = { urn: urn("gone"), type: "aws:kms/key:Key", inputs: { region: lost } };
  const dependent: Known = {
    ...{ urn: urn("dependent"), type: "aws:kms/key:Key", inputs: { region: "eu-west-1" } },
    dependencies: [gone.urn, record.urn],
    propertyDependencies: { policy: [gone.urn], region: null },
    deletedWith: gone.urn,
  };
  const provider = { urn: urn("aws"), type: "pulumi:providers:aws", inputs: { region: lost } };
  const pending = [{ resource: gone, type: "updating" }];
  const deployment = { manifest: { time: "" }, resources: [record, provider, replica, gone, dependent] };

  test("keeps everything that is not the region's, and refers to nothing that is not there: an import refuses that", () => {
    const { exported, forgotten } = forgetInExport(
      { version: 3, deployment: { ...deployment, pending_operations: pending } },
      lost,
    );
    expect(forgotten).toEqual([gone]);
    expect(exported).toEqual({
      version: 3,
      deployment: {
        manifest: { time: "" },
        resources: [
          {
            ...record,
            outputs: {
              output: { lostRegions: [lost], primaryRegion: "eu-west-1", primaryKmsKeyArn: "arn:given", promoted },
            },
          },
          provider,
          replica,
          {
            ...{ urn: dependent.urn, type: dependent.type, inputs: dependent.inputs },
            dependencies: [record.urn],
            propertyDependencies: { policy: [], region: null },
          },
        ],
        pending_operations: [],
      },
    });
  });
});

describe("the deployment after it", () => {
  test("calls no region that is lost", () => {
    expect(changed.filter(({ region }) => region === lost)).toEqual([]);
  });

  test("promotes the replica in place, and changes nothing else of it that its clients would wait for", () => {
    const [promoted, ...others] = changed.filter(({ type }) => type === instance);
    expect(others).toEqual([]);
    expect(promoted).toMatchObject({ what: "rds.Instance replica", change: "updated", region: "eu-west-1" });
    expect(promoted!.paths.sort()).toEqual([
      ...["backupRetentionPeriod", "backupWindow", "finalSnapshotIdentifier", "maintenanceWindow", "monitoringRoleArn"],
      ...["multiAz", "passwordWo", "passwordWoVersion", "replicateSourceDb", "skipFinalSnapshot"],
    ]);
  });

  test("replaces and removes nothing that holds data, nor what encrypts it or admits to it", () => {
    const went = changed.filter(({ change }) => change === "replaced" || change === "removed");
    const kept = /rds\.(Instance|SubnetGroup|ParameterGroup) |s3\.Bucket|SecurityGroup |kms\.Key (replica-key|backup)/;
    expect(went.map(short).filter((what) => kept.test(what))).toEqual([]);
  });

  test.each(["eu-north-1", "eu-west-1"])(
    "asks for nothing that the engine refuses because it is protected, with the bucket in %s",
    async (backupRegion) => {
      const config = { ...prepared, [key("backupRegion")]: backupRegion };
      const { stays: left } = forget((await deploy(config, [])).entries, lost);
      const { changed: steps } = await deploy({ ...config, [key("failedOver")]: "true" }, left);
      const refused = steps.filter((step) => step.protected && ["replaced", "removed"].includes(step.change));
      expect(refused.map(short)).toEqual([]);
    },
  );

  test("never replaces the promoted server for another VPC: it has the receipts", async () => {
    const elsewhere = after.map((entry) =>
      entry.type === instance ? { ...entry, inputs: { ...entry.inputs, dbSubnetGroupName: "of-another-vpc" } } : entry,
    );
    const { changed: steps } = await deploy({ ...prepared, [key("failedOver")]: "true" }, elsewhere);
    expect(steps.filter(({ type }) => type === instance).map(short)).toEqual(["rds.Instance replica: updated"]);
  });

  test("has every password that it had: those of the promoted server are in force", () => {
    expect(changed.map(short).filter((what) => what.startsWith("random.RandomPassword"))).toEqual([]);
  });

  test("keeps the replica's topics, whose addresses have confirmed, and tells no others", () => {
    const topics = changed.filter(({ type }) => type.startsWith("aws:sns/"));
    expect(topics.map(short)).toEqual([]);
    const topicsOf = (of: readonly Entry[]) => of.filter(({ type }) => type === "aws:sns/topic:Topic");
    expect(topicsOf(after).map(({ name }) => name)).toEqual([
      "authensor-prod-replica-page",
      "authensor-prod-replica-ticket",
    ]);
  });

  test("makes the pods, their alarms and their secrets where the replica is", () => {
    const made = changed.filter(({ change }) => change === "made");
    const all = made.map(({ what }) => what);
    for (const what of ["apps.Deployment control-plane", "apps.Deployment pgbouncer", "batch.CronJob archive"])
      expect(all).toContain(what);
    const regions = (type: string) => [...new Set(made.filter((one) => one.type === type).map(({ region }) => region))];
    expect(regions("kubernetes:apps/v1:Deployment")).toEqual(["eu-west-1"]);
    expect(regions("aws:cloudwatch/metricAlarm:MetricAlarm")).toEqual(["eu-west-1"]);
    expect(regions("aws:secretsmanager/secret:Secret")).toEqual(["eu-west-1"]);
  });
});

const promotedIn = (of: readonly Entry[]) =>
  (of.find(({ name }) => name === "decided-once")!.outputs["output"] as { promoted: { host: string } }).promoted;

describe("a planned switchover", () => {
  const argsOf = (of: readonly Entry[], name: string) =>
    JSON.stringify(of.find((entry) => entry.type.endsWith(":Job") && entry.name.endsWith(name))!.inputs).match(
      /"args":\[.*?\]/,
    )?.[0];
  const fenced = { ...prepared, [key("fencedRegion")]: lost };

  test("closes the primary by the Job that has it open otherwise, and touches nothing else", async () => {
    const { entries, changed: steps } = await deploy(fenced, before);
    expect(argsOf(before, "-migrate")).toBe('"args":["up"]');
    expect(argsOf(entries, "-migrate")).toBe('"args":["fence"]');
    expect(steps.map(({ what }) => what).sort()).toEqual([
      "batch.Job migrate",
      "networking.k8s.io.NetworkPolicy migrate",
    ]);
  });

  test("leaves the promoted server open: it is in another region than the one that is fenced", async () => {
    const { entries } = await deploy({ ...fenced, [key("failedOver")]: "true" }, stays);
    expect(argsOf(entries, "-migrate")).toBe('"args":["up"]');
  });
});

describe("what lets anything be sealed", () => {
  const job = (entries: readonly Entry[], name: string) =>
    entries.find((entry) => entry.type === "kubernetes:batch/v1:Job" && entry.name === `authensor-prod-${name}`)!;

  test("is the promotion, and that waits until the replica was compared with the bucket", () => {
    const order = [
      "batch.Job missing",
      "rds.Instance replica",
      "batch.Job migrate",
      "apps.Deployment pgbouncer",
      "apps.Deployment control-plane",
    ];
    const steps = changed.map(({ what }) => what).filter((what) => order.includes(what));
    expect(steps).toEqual(order);
    expect(before.map(({ name }) => name)).not.toContain("authensor-prod-missing");
  });

  test("reaches the replica before that: its address was noted, and it admits the cluster beside it all along", () => {
    const url = after.find(({ name }) => name === "authensor-prod-missing-database")!;
    const { host } = promotedIn(stays);
    expect(JSON.stringify(url.inputs)).toContain(`@${host}:5432/authensor?sslmode=verify-full`);
    const rules = (of: readonly Entry[]) =>
      of
        .filter(({ type, name }) => type.endsWith(":SecurityGroupIngressRule") && name.includes("-replica-"))
        .map(({ inputs }) => String(inputs["cidrIpv4"]));
    expect(rules(after).length).toBeGreaterThan(0);
    expect(rules(before)).toEqual(expect.arrayContaining(rules(after)));
    const touched = changed.filter(({ what, change }) => /IngressRule replica-/.test(what) && change !== "removed");
    expect(touched).toEqual([]);
  });

  test("compares anew where a deployment stopped before the promotion, and never after it", async () => {
    const config = { ...prepared, [key("failedOver")]: "true" };
    const replica = instances(stays)[0]!;
    const cutOff = after.map((entry) => (entry.urn === replica.urn ? replica : entry));
    const { changed: steps } = await deploy(config, cutOff);
    expect(steps.map(short)).toEqual(["batch.Job missing: replaced", "rds.Instance replica: updated"]);
    expect((await deploy(config, after)).changed).toEqual([]);
  });

  test("goes on without what is missing only where just that was accepted", async () => {
    const digest = "missing-3f2a91bc04de";
    const accepting = { ...prepared, [key("failedOver")]: "true", [key("acceptMissing")]: digest };
    const { entries } = await deploy(accepting, stays);
    const argsIn = (of: readonly Entry[]) => JSON.stringify(job(of, "missing").inputs).match(/"args":\[.*?\]/)?.[0];
    expect(argsIn(after)).toBe('"args":["--max-lag","60"]');
    expect(argsIn(entries)).toBe(`"args":["--max-lag","60","--accept","${digest}"]`);
  });

  test("takes nobody else's bucket for that of another account", async () => {
    const config = {
      ...prepared,
      [key("failedOver")]: "true",
      [key("backupBucketArn")]: "arn:aws:s3:::their-backups",
      [key("backupBucketKmsKeyArn")]: "arn:aws:kms:eu-north-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    };
    const world = await record<unknown>(program, { stack: "prod", config, computed: failedOver });
    const { inputs } = world.one("kubernetes:batch/v1:Job", "authensor-prod-missing");
    expect(JSON.stringify(inputs)).toContain('{"name":"BACKUP_BUCKET_OWNER","value":"210987654321"}');
  });
});

test("the policy pack for production is kept to but for a standby in another zone and alarms about a replica, as docs/failover.md says", async () => {
  const config = { ...prepared, [key("failedOver")]: "true" };
  const { resources } = await record<unknown>(program, { stack: "prod", config, computed: failedOver });
  const production = configurationOf("production");
  const { violations } = judge(resources, production);
  const stopping = violations.filter(({ rule }) => levelOf(rule, production) === "mandatory").map(({ rule }) => rule);
  expect(stopping).toEqual(["database-multi-az", "database-alarms"]);
});

describe("the week after", () => {
  const west = "eu-west-1";
  /** What one writes for good: the primary's new place, and a replica where the primary was. */
  const settled = {
    ...prepared,
    [key("primaryRegion")]: west,
    [key("eksClusterName")]: "platform-west",
    [key("replicaRegion")]: lost,
    [key("replicaEksClusterName")]: prod[key("eksClusterName")]!,
  };
  let whole: Entry[];
  let steps: Changed[];
  beforeAll(async () => {
    ({ entries: whole, changed: steps } = await deploy(settled, after));
  });

  const held =
    /rds\.(Instance|SubnetGroup|ParameterGroup) |s3\.Bucket|kms\.Key (replica(-\d)?-key|backup)|RandomPassword/;
  const wentOf = (all: readonly Changed[]) =>
    all.filter(({ change }) => change === "replaced" || change === "removed").map(short);
  const servers = (all: readonly Changed[]) => all.filter(({ type }) => type === instance);

  test("a new replica is made of the promoted server, under another name, and that one gets a standby in another zone", () => {
    expect(servers(steps)).toMatchObject([
      { what: "rds.Instance replica", change: "updated", paths: ["multiAz"], region: west },
      { what: "rds.Instance replica-2", change: "made", region: lost },
    ]);
    const [promoted, replica] = instances(whole);
    expect(promoted!.inputs).toMatchObject({ multiAz: true });
    expect(replica!.inputs).toMatchObject({ replicateSourceDb: promoted!.outputs["arn"], deletionProtection: true });
    expect(wentOf(steps).filter((what) => held.test(what))).toEqual([]);
  });

  test("nothing is promoted by these settings, compared or not: they are refused where the server is a replica still", async () => {
    const argsIn = (of: readonly Entry[]) =>
      JSON.stringify(
        of.find(({ type, name }) => type.endsWith(":Job") && name === "authensor-prod-missing")!.inputs,
      ).match(/"args":\[.*?\]/)?.[0];
    const early = await deploy(settled, stays);
    for (const entries of [whole, early.entries]) expect(argsIn(entries)).toBe('"args":["--promoted"]');
    const order = early.changed.map(({ what }) => what).filter((what) => /Job missing|Instance replica$/.test(what));
    expect(order).toEqual(["batch.Job missing", "rds.Instance replica"]);
  });

  test("no rule of the policy pack for production that stops a deployment is broken", async () => {
    const { resources } = await record<unknown>(program, { stack: "prod", config: settled, computed: failedOver });
    const production = configurationOf("production");
    const { violations } = judge(resources, production);
    expect(violations.filter(({ rule }) => levelOf(rule, production) === "mandatory")).toEqual([]);
  });

  test("groups that are named may reach the promoted server too, in place of the cluster's VPC", async () => {
    const config = { ...settled, [key("clientSecurityGroupIds")]: "sg-0123456789abcdef0" };
    const { resources } = await record<unknown>(program, { stack: "prod", config, computed: failedOver });
    const rules = resources.filter(({ name }) => name.startsWith("authensor-prod-replica-from-"));
    expect(rules.map(({ inputs }) => inputs["referencedSecurityGroupId"])).toEqual(["sg-0123456789abcdef0"]);
  });

  test("the way back is the same move once more, and a new replica after it another", async () => {
    const { stays: left } = forget(whole, west);
    expect(instances(left).map(({ name }) => name)).toEqual(["authensor-prod-replica-2"]);
    const back = await deploy({ ...settled, [key("failedOver")]: "true" }, left);
    expect(back.changed.filter(({ region }) => region === west)).toEqual([]);
    expect(servers(back.changed).map(short)).toEqual(["rds.Instance replica-2: updated"]);
    expect(wentOf(back.changed).filter((what) => held.test(what))).toEqual([]);
    expect(back.changed.filter((step) => step.protected && step.change !== "updated")).toEqual([]);

    const home = await deploy(prepared, back.entries);
    expect(servers(home.changed).map(short)).toEqual([
      "rds.Instance replica-2: updated",
      "rds.Instance replica-3: made",
    ]);
    expect(wentOf(home.changed).filter((what) => held.test(what))).toEqual([]);
  });
});

describe("the settings", () => {
  const raw = Object.fromEntries(Object.entries(prepared).map(([name, value]) => [name.replace(/^.*?:/, ""), value]));

  test("stay what they are while nothing is lost", () => {
    const settings = parseSettings(raw);
    expect(placed(settings)).toBe(settings);
  });

  test.each([
    ["eu-west-1", "eu-north-1", true],
    ["eu-west-1", "eu-west-1", false],
    ["eu-north-1", "us-east-2", false],
  ])("with the replica in %s and the bucket in %s copy backups where RDS does so: %s", (replica, backup, copies) => {
    const regions = { replicaRegion: replica, backupRegion: backup };
    expect(placed(parseSettings({ ...raw, ...regions, failedOver: "true" })).backup.copies).toBe(copies);
  });
});

describe("a bucket beside the primary, or where RDS copies no backups to", () => {
  const raw = Object.fromEntries(Object.entries(prepared).map(([name, value]) => [name.replace(/^.*?:/, ""), value]));
  const beside = { ...raw, backupRegion: lost, backupCopies: "false" };

  test.each([
    [beside, /^backupRegion must differ from primaryRegion eu-central-1: only where a stack has failed over to /],
    [{ ...raw, backupRegion: "ap-south-1", backupCopies: "false" }, /^backupCopies is false, .* Only a stack that has/],
    [raw, undefined],
  ])("is only for a stack that has failed over", (settings, line) => {
    const said = onlyAfterFailover(parseSettings(settings));
    if (line === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(line);
  });

  test("is refused to a new stack before anything is made", async () => {
    const config = { ...prepared, [key("backupRegion")]: lost, [key("backupCopies")]: "false" };
    await expect(record<unknown>(program, { stack: "prod", config })).rejects.toThrow(/^backupRegion must differ/);
  });
});

describe("the record of what was decided once", () => {
  const west = "eu-west-1";
  const once = { lostRegions: [lost], primaryRegion: west };
  const twice = { lostRegions: [lost, west], primaryRegion: lost };

  test.each([
    [
      { primaryRegion: lost },
      west,
      lost,
      /^failedOver is true, but .* still has what is in eu-central-1: .* forget it/,
    ],
    // A new stack has recorded where it is about to be.
    [
      { primaryRegion: west },
      west,
      lost,
      /^failedOver is true, but .* still has what is in eu-central-1: .* forget it/,
    ],
    [
      once,
      lost,
      undefined,
      /^failedOver is false and .* failed over from there\. .* primaryRegion to eu-west-1 \(docs/,
    ],
    [once, "eu-west-3", undefined, /^primaryRegion is eu-west-3, but this stack was made with eu-west-1\./],
    [once, "eu-west-3", lost, /^replicaRegion is eu-west-3, but the server that was promoted is in eu-west-1\. Set it/],
    [once, "eu-west-1", "eu-west-3", /^primaryRegion is eu-west-3, but .* has failed over from eu-central-1\. Set it/],
    // Swapped, and failedOver left as it was: the next failover, of which the state knows nothing.
    [once, lost, west, /^failedOver is true, but this stack's state still has what is in eu-west-1: /],
    [twice, west, undefined, /^failedOver is false and .* failed over from there\. .* primaryRegion to eu-central-1/],
    [twice, west, lost, /^failedOver is true, but this stack's state still has what is in eu-central-1: /],
  ])("%j refuses a primary in %s with a failover from %s", (first, primaryRegion, lostRegion, line) => {
    const now = { environment: "prod", primaryRegion } as DecidedOnce;
    expect(changedSince(first, now, lostRegion)).toEqual([expect.stringMatching(line)]);
  });

  test.each([
    [{ primaryRegion: lost }, lost, undefined],
    [once, west, lost],
    [once, west, undefined],
    [twice, lost, west],
    [twice, lost, undefined],
  ])("%j takes a primary in %s with a failover from %s", (first, primaryRegion, lostRegion) => {
    const now = { environment: "prod", primaryRegion } as DecidedOnce;
    expect(changedSince(first, now, lostRegion)).toEqual([]);
  });

  test("refuses another cluster's VPC and another key after the failover, as it did before", () => {
    const first = { ...once, vpcId: "vpc-west", primaryKmsKeyArn: "" };
    const other = { primaryRegion: west, vpcId: "vpc-elsewhere", primaryKmsKeyArn: "arn:other" } as DecidedOnce;
    const lines = changedSince(first, other, lost).join("\n");
    expect(lines).toContain("leads to a cluster in vpc-elsewhere, but this stack's primary is in vpc-west");
    expect(lines).toContain("primaryKmsKeyArn is arn:other, but this stack was made without it");
  });
});
