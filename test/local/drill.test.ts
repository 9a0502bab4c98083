/** A drill on real servers: what it proves, what it finds, and that it removes what it has made and touches nothing else. */
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  DeleteDBInstanceCommand,
  DescribeDBInstancesCommand,
  ModifyDBInstanceCommand,
  RDSClient,
  RebootDBInstanceCommand,
  RestoreDBInstanceToPointInTimeCommand,
  type RestoreDBInstanceToPointInTimeMessage,
} from "@aws-sdk/client-rds";
import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import { output } from "@pulumi/pulumi";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readPolicy } from "../../cloud/aws/iam/policy";
import { find } from "../../cloud/aws/rds/api/known";
import { serverBehind } from "../../cloud/aws/rds/api/servers";
import { serve } from "../../cloud/aws/rds/api/server";
import { rdsRoot } from "../../cloud/aws/rds/api/service";
import { stopRestored } from "../../cloud/aws/rds/api/restored";
import { listBackups, placeOf } from "../../cloud/aws/rds/backups/automated";
import { dataOf, listBases } from "../../cloud/aws/rds/backups/base";
import { keepBackups } from "../../cloud/aws/rds/backups/keeper";
import { listSegments } from "../../cloud/aws/rds/backups/segments";
import { sleep, waitUntil } from "../../cloud/host/wait";
import { drillStatements } from "../../components/backup/drillRights";
import { Bucket } from "../../ops/archive/bucket";
import { newestManifest } from "../../ops/archive/newest";
import { archive } from "../../ops/archive/run";
import { dump } from "../../ops/dump/run";
import { drillTag } from "../../ops/drill/name";
import type { DrillReport } from "../../ops/drill/report";
import { silentLog } from "../../ops/log";
import { compact } from "../../ops/months/compact";
import { makeMonths } from "../../ops/restore/months";
import { roles } from "../../ops/roles";
import { month, monthName } from "../months";
import { newReceipt, storeReceipts } from "../receipts";
import { copyBucket, flipped, lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../s3";
import { bundled, runOps, startOps, type Result } from "../sql/programs";
import { FakeCloud } from "./fakeCloud";

const cloud = new FakeCloud();
const rds = rdsRoot(cloud.root);
const [home, elsewhere] = ["eu-central-1", testRegion];
const { signal } = new AbortController();
/** Of the drill's role. */
const key = "ASIADRILL";
const scratch = "authensor-test-drill";
let statements: object[] = [];
const api = serve({
  directory: rds,
  reboots: new Set(),
  restores: new Map(),
  failoverMs: 0,
  identityOf: (accessKeyId) => ({
    principal: `arn:aws:iam::000000000000:role/${accessKeyId}`,
    statements: accessKeyId === key ? readPolicy(JSON.stringify({ Statement: statements })) : undefined,
  }),
  signal,
});
let s3: TestS3;
let made = 0;
let bucket: Bucket;
let environment: Record<string, string>;
let [asOwner, asDrill, atHome]: RDSClient[] = [];
let owner: Client;

const url = async (user: string) =>
  `postgresql://${user}:password@localhost:${String(cloud.get("primary").outputs.port)}/authensor?sslmode=verify-full&sslrootcert=${await cloud.ca()}`;

async function connect(user: string): Promise<Client> {
  const client = new Client({ connectionString: await url(user) });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}
const primaryId = () => String(cloud.get("primary").outputs.identifier);
const primary = () => serverBehind(find(rds, home, primaryId())!);
const copies = () =>
  placeOf(
    rds,
    listBackups(rds).find(({ copyOf }) => copyOf !== undefined)!,
  );

const bucketOf = (name: string) => new Bucket(s3.client({ forcePathStyle: true }), name, signal);

/** Has what was written by now in the copies; returns the segment of the log. */
async function copied(): Promise<string> {
  const [row] = await primary().query<{ name: string }>("select pg_walfile_name(pg_switch_wal()) as name");
  const source = placeOf(
    rds,
    listBackups(rds).find(({ copyOf }) => copyOf === undefined)!,
  );
  await waitUntil("archived", () => listSegments(source.wal).some(({ name }) => name === row!.name), {
    timeoutMs: 90_000,
  });
  await keepBackups(rds, signal);
  return row!.name;
}

beforeAll(async () => {
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  const instance = await cloud.create("aws:rds/instance:Instance", "primary", {
    region: home,
    instanceClass: "db.t4g.micro",
    engine: "postgres",
    engineVersion: "17", // the machine may run an older one in its place
    username: roles.owner,
    passwordWo: "password",
    passwordWoVersion: 1,
    dbName: "authensor",
    allocatedStorage: 20,
    backupRetentionPeriod: 2,
    skipFinalSnapshot: true,
  });
  const made = { region: elsewhere, family: "postgres17", parameters: [] };
  const group = await cloud.create("aws:rds/parameterGroup:ParameterGroup", "group", made);
  const type = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication";
  const inputs = { region: elsewhere, sourceDbInstanceArn: instance.outputs.arn, retentionPeriod: 1 };
  const copiesArn = String((await cloud.create(type, "copies", inputs)).outputs.arn);
  const target = {
    region: elsewhere,
    copiesArn,
    copiesKeyArn: "arn:aws:kms:eu-west-1:000000000000:key/1",
    subnetGroup: "subnets",
    securityGroup: "sg-1",
    parameterGroup: String(group.outputs.name),
  };
  const locked = {
    arn: "arn:aws:s3:::backups*",
    region: elsewhere,
    keyArn: "arn:aws:kms:eu-west-1:000000000000:key/2",
  };
  statements = await new Promise((resolve) => output(drillStatements("test", locked, target)).apply(resolve));
  s3 = await testS3({ backups: lockedBucket }, { [key]: statements });
  bucket = bucketOf("backups");

  const migrated = await runOps("migrate", ["up"], { DATABASE_URL: await url(roles.owner) });
  expect(migrated.code, migrated.stderr).toBe(0);
  owner = await connect(roles.owner);
  for (const role of [roles.app, roles.verifier, roles.archiver])
    await owner.query(`alter role ${role} password 'password'`);
  // Months in which nothing was received, of which one has left.
  const names = [-3, -2, -1, 0, 1].map(monthName);
  const tables = [["public", "receipts"] as const, ["audit", "receipt_history"] as const];
  await makeMonths(owner, { months: tables.map(([schema, table]) => ({ schema, table, names })) });
  await owner.query("select audit.retire_month($1)", [`${names[0]}-01`]);
  const app = await connect(roles.app);
  await storeReceipts(app, [newReceipt(), newReceipt({ decision_outcome: "deny" }), newReceipt({ actor_id: "b" })]);
  const archiver = await connect(roles.archiver);
  const into = { bucket, environment: "test", told: 0, log: silentLog };
  await archive({ ...into, client: archiver, mostRows: 1000 });
  await dump({ ...into, client: archiver, manifest: 1 });
  const archivedAt = Date.now();
  await keepBackups(rds, signal);
  // A restore is compared with manifests that are a little older than it; and its moment, a whole second, is after the base backup.
  await sleep(Math.max(2500, 5500 - (Date.now() - archivedAt)));
  await storeReceipts(app, [newReceipt({ actor_id: "b" })]);
  await Promise.all([app.end(), archiver.end()]);
  await copied();

  const endpoint = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const client = (accessKeyId: string, region: string) =>
    new RDSClient({ region, endpoint, credentials: { accessKeyId, secretAccessKey: "secret" } });
  [asOwner, asDrill, atHome] = [client("AKIA", elsewhere), client(key, elsewhere), client(key, home)];
  environment = {
    AWS_ACCESS_KEY_ID: key,
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_ENDPOINT_URL_RDS: endpoint,
    AWS_ENDPOINT_URL_S3: s3.url,
    DATABASE_URL: await url(roles.verifier),
    ENVIRONMENT: "test",
    COPIES_ARN: copiesArn,
    SUBNET_GROUP: target.subnetGroup,
    SECURITY_GROUP: target.securityGroup,
    PARAMETER_GROUP: target.parameterGroup,
    CA_FILE: await cloud.ca(),
    BACKUP_BUCKET: "backups",
    BACKUP_REGION: elsewhere,
    VERIFY_PROGRAM: await bundled("verify"),
    RESTORE_PROGRAM: await bundled("restore"),
    POLL_MILLISECONDS: "50",
  };
});
afterAll(async () => {
  await owner.end();
  api.close();
  await stopRestored(rds);
  await Promise.all([cloud.destroy(), s3.close()]);
});

const drill = (more: Record<string, string> = {}) => runOps("drill", [], { ...environment, ...more });

/** Starts one, and does something once it has asked for the restore. */
async function drillUntilRestoring(then: (kill: (signal: NodeJS.Signals) => void) => void): Promise<Result> {
  const { child, result } = await startOps("drill", [], environment);
  let told = false;
  child.stdout!.on("data", (text: Buffer) => {
    if (told || !text.toString().includes("is restored")) return;
    told = true;
    then((wanted) => child.kill(wanted));
  });
  return result;
}

const isThere = () =>
  asOwner!
    .send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: scratch }))
    .then(() => true)
    .catch((error: Error) => !error.name.startsWith("DBInstanceNotFound"));

let archives: Promise<Bucket> | undefined;
/** The same bucket, with an archive of the month. */
const compacted = () =>
  (archives ??= (async () => {
    makeBucket(s3.root, "backups-compacted", lockedBucket);
    const copy = await copyBucket(bucket, bucketOf("backups-compacted"));
    await compact({ bucket: copy, environment: "test", delayDays: 1, told: 0, now: month(2), log: silentLog });
    return copy;
  })());

async function reportOf({ stdout }: Result): Promise<DrillReport> {
  const stored = /report\s+(drills\/\S+\.json)/.exec(stdout)?.[1];
  return JSON.parse((await bucket.read(stored ?? "none")).toString()) as DrillReport;
}
const told = async () =>
  (
    await owner.query<Record<string, unknown>>(
      "select problems::int, rto_seconds is not null as rto, rpo_seconds is not null as rpo, succeeded_at is not null as succeeded, summary from audit.drill",
    )
  ).rows[0]!;

describe("a drill", () => {
  test("proves the copies, measures RTO and RPO, reports into the bucket and to the monitor, and removes its instance, though a failover ends its sessions and a second one is begun then", async () => {
    const ended = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'authensor-drill'";
    let second: Promise<Result> | undefined;
    const result = await drillUntilRestoring(() => {
      second = primary()
        .query(ended)
        .then(() => drill());
    });
    expect((await second)?.stderr).toMatch(/another drill has been running since/);
    expect(result.code, result.stderr).toBe(0);
    expect(result.stdout).toMatch(/result +passed/);
    const report = await reportOf(result);
    expect(report).toMatchObject({
      ok: true,
      problems: [],
      instance: { identifier: scratch, region: elsewhere, removed: true, leftOverRemoved: false },
      // Its own receipt among them; one was written after the archive's last run.
      copies: { verification: { ok: true, verified: { receipts: 5 }, archive: { restored: { manifest: 1 } } } },
      bucket: {
        made: { dump: 1, oldest: 1, newest: 1, receipts: 3 },
        verification: { ok: true, verified: { receipts: 4 }, archive: { restored: { manifest: 1 } } },
      },
      comparison: { chains: { receipts: 2, history: 0 }, tables: { changedSince: [] }, differences: [], more: 0 },
    });
    const { copies, bucket: bucketAlone, comparison } = report;
    for (const { verification, seconds, rtoSeconds, rpoSeconds } of [copies, bucketAlone]) {
      const { months } = verification!.archive!.restored!;
      expect(months.map(({ inBucket, restored }) => [inBucket, restored])).toEqual([[3, 3]]);
      expect(rpoSeconds).toBeGreaterThan(0);
      expect(rtoSeconds).toBeGreaterThan(seconds.restored!);
    }
    expect(bucketAlone.rpoSeconds).toBeGreaterThan(copies.rpoSeconds!);
    expect(comparison!.beyond.filter(({ rows }) => rows > 0)).toEqual([
      { chain: "receipts", in: "the copies", rows: 1 },
    ]);
    expect(comparison!.tables.same).toBeGreaterThan(10);
    expect(await told()).toMatchObject({ problems: 0, rto: true, rpo: true, succeeded: true });
    expect(await isThere()).toBe(false);
    const { rows } = await owner.query("select from receipts where actor_id = 'authensor-drill'");
    expect(rows).toEqual([]);
  });

  test("that is killed leaves its instance to the next one, which removes it first", async () => {
    expect((await drillUntilRestoring((kill) => kill("SIGKILL"))).signal).toBe("SIGKILL");
    expect(await isThere()).toBe(true);
    await owner.query("update audit.drill set seen_at = now() - interval '11 minutes'");
    const result = await drill();
    expect(result.code, result.stderr).toBe(0);
    expect((await reportOf(result)).instance).toMatchObject({ removed: true, leftOverRemoved: true });
    expect(await isThere()).toBe(false);
  });

  test("refuses a second one while it goes on, and removes its instance when it is asked to end", async () => {
    let second: Promise<Result> | undefined;
    const first = await drillUntilRestoring((kill) => {
      second = drill().finally(() => kill("SIGTERM"));
    });
    expect(await second).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^drill: another drill has been running since .*; this one does nothing/m,
      ) as string,
    });
    expect(first.code).toBe(1);
    expect(first.stdout).toMatch(/problem +stopped by SIGTERM/);
    expect(await told()).toMatchObject({ problems: 1, summary: "the drill failed: stopped by SIGTERM" });
    await waitUntil("the instance is gone", async () => !(await isThere()), { timeoutMs: 90_000 });
  });

  test.each([
    ["a segment of the log is missing", /WAL segment (\w+) is missing from/],
    ["the copies cannot be asked for", /ECONNREFUSED/],
    ["the bucket does not answer", /the restored database could not be verified/],
  ])("fails where %s, says so, and leaves no instance", async (what, message) => {
    const segments = listSegments(copies().wal);
    const hidden = join(copies().wal, `${segments.at(-1)!.name}.gz`);
    const later = what.includes("segment") ? await copied().then(() => hidden) : undefined;
    if (later) renameSync(later, `${later}.hidden`);
    const nowhere = "http://127.0.0.1:9";
    const result = await drill({
      ...(what.includes("copies") && { AWS_ENDPOINT_URL_RDS: nowhere }),
      ...(what.includes("bucket") && { AWS_ENDPOINT_URL_S3: nowhere }),
    });
    if (later) renameSync(`${later}.hidden`, later);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(message);
    expect(await isThere()).toBe(false);
  });

  test.each([
    [
      "a base backup was altered",
      (data: string) => {
        const path = join(data, "PG_VERSION");
        const was = readFileSync(path);
        appendFileSync(path, "x");
        return () => writeFileSync(path, was);
      },
      /PG_VERSION/,
    ],
    [
      "the base backup is gone",
      (data: string) => {
        renameSync(data, `${data}.away`);
        return () => renameSync(`${data}.away`, data);
      },
      /(lead to no moment yet|could not restore)/,
    ],
  ])("fails where %s: nothing can be restored from it", async (_, damage, message) => {
    const undone = listBases(copies()).map((base) => damage(dataOf(copies(), base)));
    const result = await drill();
    for (const undo of undone) undo();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(message);
    expect(result.stdout).toMatch(/not tried +there was no server to restore into/);
    expect(await isThere()).toBe(false);
  });

  test.each([
    [
      "a segment",
      /^segments/,
      flipped,
      [/the copies: altered-archive: segments\/\S+ cannot be read as/, /the bucket: restore: segments\//],
    ],
    [
      "a manifest",
      /^manifests/,
      (bytes: Buffer) => Buffer.from(bytes.toString().replace(/"seal":"../, '"seal":"ff')),
      [
        /the copies: altered-a\w+: .*manifests\/000\/000\/001.json/,
        /the bucket: restore: .*manifests\/000\/000\/001.json/,
      ],
    ],
    [
      "a part of the dump",
      /^parts/,
      flipped,
      [/: the bucket: the database could not be restored; the bucket: restore: parts\/\S+ cannot be read/],
    ],
    ["the dump's manifest", /^dumps/, () => undefined, [/the bucket: restore: there is no dump in the bucket/]],
    [
      "a month's archive",
      /^archives/,
      flipped,
      ["copies", "bucket"].map((way) => new RegExp(`the ${way}: altered-archive: archives/\\S+ cannot be read as`)),
    ],
    [
      "a month's archive with its segments",
      /^(archives|segments)/,
      () => undefined,
      [
        /the copies: altered-archive: archives\/\S+ is gone, and has not expired/,
        /the bucket: .*archives\/\S+ is not used: archives\/\S+ is gone, and has not expired/,
      ],
    ],
  ])(
    "fails where %s in the bucket is not what it was, and says which way back that closes",
    async (what, which, change, messages) => {
      const name = `backups-${made++}`;
      makeBucket(s3.root, name, lockedBucket);
      const from = what.includes("archive") ? await compacted() : bucket;
      await copyBucket(from, bucketOf(name), (of, bytes) => (which.test(of) ? change(bytes) : bytes));
      const result = await drill({ BACKUP_BUCKET: name });
      expect(result.code).toBe(1);
      for (const message of messages) expect(result.stderr).toMatch(message);
      if (!/segment|^a manifest|archive/.test(what)) expect(result.stderr).not.toContain("the copies:");
      expect(await isThere()).toBe(false);
    },
  );

  test("passes with another bucket, once the numbers of the old one are set back as the runbook says", async () => {
    await owner.query("update audit.archive set manifest = 9; update audit.dumps set number = 9");
    const runbook = readFileSync(join(__dirname, "../../docs/runbooks/archive-flawed.md"), "utf8");
    await owner.query(/`(update audit\.archive set [^`]+)`/.exec(runbook)![1]!);
    await copied();
    makeBucket(s3.root, "backups-new", lockedBucket);
    await copyBucket(bucket, bucketOf("backups-new"));
    const result = await drill({ BACKUP_BUCKET: "backups-new" });
    expect(result.code, result.stderr).toBe(0);
  });

  test("leaves an instance of its name alone that no drill has made", async () => {
    const from = { SourceDBInstanceAutomatedBackupsArn: environment.COPIES_ARN, UseLatestRestorableTime: true };
    await asOwner!.send(new RestoreDBInstanceToPointInTimeCommand({ ...from, TargetDBInstanceIdentifier: scratch }));
    const result = await drill();
    expect(result.stderr).toMatch(/without the tag authensor:drill=test: no drill has made it/);
    expect(await isThere()).toBe(true);
    const removal = { DBInstanceIdentifier: scratch, SkipFinalSnapshot: true };
    await expect(asDrill!.send(new DeleteDBInstanceCommand(removal))).rejects.toThrow(/not authorized/);
    await asOwner!.send(new DeleteDBInstanceCommand(removal));
    await waitUntil("the instance is gone", async () => !(await isThere()), { timeoutMs: 90_000 });
  });
});

describe("the drill's role", () => {
  const refusal = {
    name: "AccessDenied",
    message: expect.stringMatching(/is not authorized to perform: rds:/) as string,
  };

  test("may neither change, reboot, delete nor even look at the primary", async () => {
    const DBInstanceIdentifier = primaryId();
    for (const command of [
      new DeleteDBInstanceCommand({ DBInstanceIdentifier, SkipFinalSnapshot: true }),
      new ModifyDBInstanceCommand({ DBInstanceIdentifier, MasterUserPassword: "another-password" }),
      new RebootDBInstanceCommand({ DBInstanceIdentifier }),
      new DescribeDBInstancesCommand({ DBInstanceIdentifier }),
      new DescribeDBInstancesCommand({}),
    ])
      await expect(atHome!.send(command as DescribeDBInstancesCommand)).rejects.toMatchObject(refusal);
  });

  const allowed = (): RestoreDBInstanceToPointInTimeMessage => ({
    SourceDBInstanceAutomatedBackupsArn: environment.COPIES_ARN,
    TargetDBInstanceIdentifier: scratch,
    UseLatestRestorableTime: true,
    PubliclyAccessible: false,
    DBSubnetGroupName: environment.SUBNET_GROUP,
    DBParameterGroupName: environment.PARAMETER_GROUP,
    Tags: [{ Key: drillTag, Value: "test" }],
  });
  test.each([
    ["under another name", { TargetDBInstanceIdentifier: "authensor-test-primary" }],
    ["without its tag", { Tags: [] }],
    ["with another deployment's tag", { Tags: [{ Key: drillTag, Value: "prod" }] }],
    ["with a public address", { PubliclyAccessible: true }],
    ["without saying that it has none", { PubliclyAccessible: undefined }],
    [
      "from another backup",
      { SourceDBInstanceAutomatedBackupsArn: "arn:aws:rds:eu-west-1:000000000000:auto-backup:ab-1" },
    ],
    ["into other subnets", { DBSubnetGroupName: "others" }],
    ["with another parameter group", { DBParameterGroupName: "another" }],
  ])("may not restore %s", async (_how, change) => {
    const command = new RestoreDBInstanceToPointInTimeCommand({ ...allowed(), ...change });
    await expect(asDrill!.send(command)).rejects.toMatchObject(refusal);
    expect(await isThere()).toBe(false);
  });
});

// Last: what is altered stays altered.
describe("a drill finds, and says where,", () => {
  test("that the restored database lacks a receipt that the bucket has", async () => {
    await primary().query(
      "set session_replication_role = replica; delete from receipts where actor_id = 'agent-1' and chain_seq = 1",
      [],
      "authensor",
    );
    await copied();
    const result = await drill();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /not-restored: of agent "agent-1" the bucket has 2 receipts of \d{4}-\d\d up to manifests\/000\/000\/001.json, and the restored database 1/,
    );
    expect(result.stderr).toMatch(/removed-row/);
    expect(await told()).toMatchObject({
      succeeded: true,
      summary: expect.stringMatching(/^the drill failed: /) as string,
    });
    expect(existsSync(join(rds, "restored", `${elsewhere}.${scratch}`))).toBe(false);
  });

  test("that a segment was taken out of the bucket", async () => {
    const { segment } = (await newestManifest(bucket))!.manifest.archive;
    const [entry] = await bucket.list(segment.key);
    for (const { id: VersionId } of entry!.versions)
      await bucket.client.send(
        new DeleteObjectCommand({ Bucket: "backups", Key: segment.key, VersionId, BypassGovernanceRetention: true }),
      );
    const result = await drill();
    expect(result.stderr).toMatch(/altered-archive: segments\/.*is gone, and has not expired/);
    expect(await isThere()).toBe(false);
  });
});
