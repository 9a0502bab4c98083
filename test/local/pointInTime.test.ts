/** Backups of real servers: any second can be restored, what is damaged says so, and what fails meanwhile leaves no gap. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  DeleteDBInstanceCommand,
  DescribeDBInstanceAutomatedBackupsCommand,
  DescribeDBInstancesCommand,
  DescribeEventsCommand,
  ModifyDBInstanceCommand,
  RDSClient,
  RebootDBInstanceCommand,
  RestoreDBInstanceToPointInTimeCommand,
  type RestoreDBInstanceToPointInTimeMessage,
} from "@aws-sdk/client-rds";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { find } from "../../cloud/aws/rds/api/known";
import { serverBehind } from "../../cloud/aws/rds/api/servers";
import { serve } from "../../cloud/aws/rds/api/server";
import { rdsRoot } from "../../cloud/aws/rds/api/service";
import { stopRestored } from "../../cloud/aws/rds/api/restored";
import { listBackups, placeOf, type BackupPlace } from "../../cloud/aws/rds/backups/automated";
import { keepBackups } from "../../cloud/aws/rds/backups/keeper";
import { snapshotArn, takeSnapshot } from "../../cloud/aws/rds/backups/snapshots";
import { dataOf, listBases } from "../../cloud/aws/rds/backups/base";
import { expire } from "../../cloud/aws/rds/backups/expiry";
import { firstMissing, listSegments } from "../../cloud/aws/rds/backups/segments";
import { running } from "../../cloud/host/pidFile";
import { waitUntil, sleep } from "../../cloud/host/wait";
import type { Properties } from "../../cloud/handler";
import { FakeCloud } from "./fakeCloud";

const cloud = new FakeCloud();
const rds = rdsRoot(cloud.root);
const [home, elsewhere] = ["eu-central-1", "eu-west-1"];
const { signal } = new AbortController();
const api = serve({ directory: rds, reboots: new Set(), restores: new Map(), failoverMs: 0, signal });
let clients: Record<string, RDSClient>;
let source: BackupPlace;
let copyArn = "";
let group = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = (region: string) => new RDSClient({ region, endpoint, credentials });
  clients = { [home]: client(home), [elsewhere]: client(elsewhere) };
  const primary = await cloud.create("aws:rds/instance:Instance", "primary", {
    region: home,
    instanceClass: "db.t4g.micro",
    engine: "postgres",
    engineVersion: "17", // the machine may run an older one in its place
    username: "owner",
    passwordWo: "first-password",
    passwordWoVersion: 1,
    dbName: "authensor",
    allocatedStorage: 20,
    backupRetentionPeriod: 2,
    skipFinalSnapshot: true,
  });
  const parameters = [{ name: "max_locks_per_transaction", value: "99", applyMethod: "pending-reboot" }];
  const groupType = "aws:rds/parameterGroup:ParameterGroup";
  const made = await cloud.create(groupType, "group", { region: home, family: "postgres17", parameters });
  group = String(made.outputs.name);
  const type = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication";
  const inputs = { region: elsewhere, sourceDbInstanceArn: primary.outputs.arn, retentionPeriod: 1 };
  copyArn = String((await cloud.create(type, "copies", inputs)).outputs.arn);
  source = placeOf(rds, own());
  await sql("primary", "create table written (what text)");
  await keepBackups(rds, signal);
});
afterAll(async () => {
  api.close();
  await stopRestored(rds);
  await cloud.destroy();
});

async function sql(port: "primary" | number, statement: string, password = "first-password"): Promise<string[]> {
  const at = port === "primary" ? String(cloud.get("primary").outputs.port) : String(port);
  const url = `postgresql://owner:${password}@localhost:${at}/authensor?sslmode=verify-full&sslrootcert=${await cloud.ca()}`;
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, string>>(statement);
    return rows.map((row) => Object.values(row)[0]!);
  } finally {
    await client.end();
  }
}
const write = (what: string) => sql("primary", `insert into written values ('${what}')`);
const read = (port: number) => sql(port, "select what from written order by what");
const own = () => listBackups(rds).find(({ region }) => region === home)!;
const server = () => serverBehind(find(rds, home, String(cloud.get("primary").outputs.identifier))!);
const nextSecond = () => sleep(1000 - (Date.now() % 1000));

/** Has the segment archived that the server writes to now; returns its name. */
async function archived(): Promise<string> {
  const [row] = await server().query<{ name: string }>("select pg_walfile_name(pg_switch_wal()) as name");
  const { name } = row!;
  const there = () => listSegments(source.wal).some((segment) => segment.name === name);
  await waitUntil(`${name} archived`, there, { timeoutMs: 90_000 });
  return name;
}

async function told(region: string, id: string) {
  const { DBInstances: [found] = [] } = await clients[region]!.send(
    new DescribeDBInstancesCommand({ DBInstanceIdentifier: id }),
  );
  return found!;
}

/** Restores and returns the port; fails with what RDS says. */
async function restored(
  id: string,
  more: Partial<RestoreDBInstanceToPointInTimeMessage>,
  region = home,
): Promise<number> {
  const from = { SourceDBInstanceIdentifier: String(cloud.get("primary").outputs.identifier) };
  const command = new RestoreDBInstanceToPointInTimeCommand({ ...from, TargetDBInstanceIdentifier: id, ...more });
  expect((await clients[region]!.send(command)).DBInstance?.DBInstanceStatus).toBe("creating");
  const status = async () => {
    const { DBInstanceStatus: now } = await told(region, id);
    return now !== "creating" && now;
  };
  const ended = await waitUntil(id, status, { timeoutMs: 90_000 });
  if (ended === "available") return (await told(region, id)).Endpoint!.Port!;
  const { Events } = await clients[region]!.send(
    new DescribeEventsCommand({ SourceIdentifier: id, SourceType: "db-instance" }),
  );
  throw new Error(`${ended}: ${Events!.at(-1)!.Message}`);
}

async function remove(id: string, region = home): Promise<void> {
  await clients[region]!.send(new DeleteDBInstanceCommand({ DBInstanceIdentifier: id, SkipFinalSnapshot: true }));
  const gone = () =>
    told(region, id)
      .then(() => false)
      .catch((error: Error) => error.name === "DBInstanceNotFoundFault");
  await waitUntil(`${id} deleted`, gone, { timeoutMs: 90_000 });
  expect(existsSync(join(rds, "restored", `${region}.${id}`))).toBe(false);
}

async function hidden(path: string, during: () => Promise<void>): Promise<void> {
  renameSync(path, `${path}.hidden`);
  await during().finally(() => renameSync(`${path}.hidden`, path));
}

/** With one byte in the middle another one. */
async function damaged(path: string, during: () => Promise<void>): Promise<void> {
  const whole = readFileSync(path);
  const { mtime } = statSync(path);
  const other = Buffer.from(whole);
  other[Math.floor(whole.length / 2)]! ^= 0xff;
  writeFileSync(path, other);
  const mend = () => {
    writeFileSync(path, whole);
    utimesSync(path, mtime, mtime);
  };
  await during().finally(mend);
}

describe("a restore", () => {
  // First, while little is archived: what each has damaged is whole again afterwards.
  test("without a WAL segment that it needs fails and names it", async () => {
    await write("a");
    const needed = await archived();
    await write("b");
    await archived();
    await hidden(join(source.wal, `${needed}.gz`), async () => {
      const message = `restore-error: WAL segment ${needed} is missing from ${source.wal}`;
      await expect(restored("missing", { UseLatestRestorableTime: true })).rejects.toThrow(message);
    });
    await remove("missing");
  });

  test("with a damaged WAL segment fails and names it", async () => {
    // All of them: which is read last depends on when the server archived.
    const attempt = async () => {
      const message = /restore-error: WAL segment \/\S+\/[0-9A-F]{24}\.gz is damaged/;
      await expect(restored("damaged", { UseLatestRestorableTime: true })).rejects.toThrow(message);
    };
    const paths = listSegments(source.wal).map(({ name }) => join(source.wal, `${name}.gz`));
    await paths.reduce((during, path) => () => damaged(path, during), attempt)();
    await remove("damaged");
  });

  test("from a damaged base backup fails and names the file", async () => {
    const data = dataOf(source, listBases(source)[0]!);
    await damaged(join(data, "global/pg_control"), async () => {
      await expect(restored("corrupt", { UseLatestRestorableTime: true })).rejects.toThrow(
        /restore-error: pg_verifybackup of corrupt .*checksum mismatch for file "global\/pg_control"/s,
      );
    });
    await remove("corrupt");
  });

  test("to a second between two writes has the first and not the second, with its source or from the copies", async () => {
    await sql("primary", "truncate written");
    await write("first");
    await nextSecond();
    const between = new Date();
    await nextSecond();
    await write("second");
    await nextSecond();
    await nextSecond();
    await archived();
    await keepBackups(rds, signal);
    const port = await restored("between", { RestoreTime: between });
    expect(await read(port)).toEqual(["first"]);
    const other = { SourceDBInstanceIdentifier: undefined, SourceDBInstanceAutomatedBackupsArn: copyArn };
    const again = await restored("between", { ...other, RestoreTime: between }, elsewhere);
    expect(await read(again)).toEqual(["first"]);
    const newest = await restored("newest", { ...other, UseLatestRestorableTime: true }, elsewhere);
    expect(await read(newest)).toEqual(["first", "second"]);
  });
});

describe("archiving", () => {
  test("that fails for a while, and a primary killed meanwhile, lose nothing: all is archived later, without a gap", async () => {
    renameSync(source.wal, `${source.wal}.away`);
    await write("while archiving fails");
    await server().query("select pg_switch_wal()");
    const failed = async () => {
      const [row] = await server().query<{ failed: boolean }>(
        "select failed_count > 0 as failed from pg_stat_archiver",
      );
      return row?.failed;
    };
    await waitUntil("a failure", failed);
    process.kill(running(server().pidFile)!, "SIGKILL");
    await waitUntil("dead", () => !server().alive);
    renameSync(`${source.wal}.away`, source.wal);
    await cloud.heal("primary");
    await write("after the crash");
    await archived();
    const names = listSegments(source.wal).map(({ name }) => name);
    expect(firstMissing(names[0]!, names.at(-1)!, new Set(names))).toBeUndefined();
    const port = await restored("whole", { UseLatestRestorableTime: true });
    expect(await read(port)).toEqual(expect.arrayContaining(["after the crash", "while archiving fails"]));
  });

  test("does not replace a segment by another of its name, and takes one that it has kept already for done", () => {
    const script = join(server().directory, "archive-wal.sh");
    const { name } = listSegments(source.wal)[0]!;
    const again = join(cloud.root, "again");
    writeFileSync(again, gunzipSync(readFileSync(join(source.wal, `${name}.gz`))));
    expect(spawnSync("sh", [script, again, name]).status).toBe(0);
    writeFileSync(again, "another");
    const refused = spawnSync("sh", [script, again, name], { encoding: "utf8" });
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringMatching(/has other content/) as string });
  });
});

describe("a restored instance", () => {
  test("has the default parameter group and its tags, takes a new password, and only such may be changed or deleted", async () => {
    const port = await restored("scratch", { UseLatestRestorableTime: true, Tags: [{ Key: "drill", Value: "1" }] });
    expect(await told(home, "scratch")).toMatchObject({
      DBInstanceStatus: "available",
      MultiAZ: false,
      DBParameterGroups: [{ DBParameterGroupName: expect.stringMatching(/^default\.postgres/) as string }],
      TagList: [{ Key: "drill", Value: "1" }],
    });
    const available = (what: string) =>
      waitUntil(what, async () => (await told(home, "scratch")).DBInstanceStatus === "available", {
        timeoutMs: 90_000,
      });
    const change = { DBInstanceIdentifier: "scratch", MasterUserPassword: "second-password" };
    await clients[home]!.send(new ModifyDBInstanceCommand(change));
    await available("modified");
    await expect(read(port)).rejects.toThrow(/password authentication failed/);
    expect(await sql(port, "select 'in'", "second-password")).toEqual(["in"]);
    await clients[home]!.send(
      new ModifyDBInstanceCommand({ DBInstanceIdentifier: "scratch", DBParameterGroupName: group }),
    );
    expect((await told(home, "scratch")).DBParameterGroups).toEqual([
      { DBParameterGroupName: group, ParameterApplyStatus: "pending-reboot" },
    ]);
    await clients[home]!.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: "scratch" }));
    await available("rebooted");
    expect(await sql(port, "show max_locks_per_transaction", "second-password")).toEqual(["99"]);
    await remove("scratch");

    const DBInstanceIdentifier = String(cloud.get("primary").outputs.identifier);
    const removal = new DeleteDBInstanceCommand({ DBInstanceIdentifier, SkipFinalSnapshot: true });
    await expect(clients[home]!.send(removal)).rejects.toThrow(/only the program/);
    const another = new ModifyDBInstanceCommand({ DBInstanceIdentifier, MasterUserPassword: "another-password" });
    await expect(clients[home]!.send(another)).rejects.toThrow(/only the program/);
  });

  test("cannot be of a moment outside the restore window, which RDS tells", async () => {
    const { DBInstanceAutomatedBackups: [found] = [] } = await clients[elsewhere]!.send(
      new DescribeDBInstanceAutomatedBackupsCommand({ DBInstanceAutomatedBackupsArn: copyArn }),
    );
    expect(found).toMatchObject({ Region: home, Status: "active", BackupRetentionPeriod: 1 });
    const { EarliestTime, LatestTime } = found!.RestoreWindow!;
    for (const moment of [EarliestTime!.getTime() - 1000, LatestTime!.getTime() + 600_000])
      await expect(restored("outside", { RestoreTime: new Date(moment) })).rejects.toThrow(/the restore window is/);
  });
});

describe("an instance of the program that is made from a backup", () => {
  const type = "aws:rds/instance:Instance";
  const inputs = (change: Properties = {}): Properties => ({
    region: elsewhere,
    instanceClass: "db.t4g.micro",
    engine: "postgres",
    engineVersion: "17",
    username: "owner",
    passwordWo: "its-own-password",
    passwordWoVersion: 1,
    allocatedStorage: 20,
    backupRetentionPeriod: 1,
    skipFinalSnapshot: true,
    restoreToPointInTime: { sourceDbInstanceAutomatedBackupsArn: copyArn, useLatestRestorableTime: true },
    ...change,
  });

  test.each<[Properties, RegExp]>([
    [{ restoreToPointInTime: { restoreTime: "2020-01-01T00:00:00Z" } }, /exactly one of SourceDBInstance/],
    [{ engineVersion: "16" }, /a backup of PostgreSQL \d+, and the instance's parameter group is of postgres16/],
    [{ kmsKeyId: "arn:aws:kms:eu-west-1:000000000000:key/1" }, /kmsKeyId: a restored instance keeps that of its/],
    [{ username: "somebody" }, /username: a restored instance keeps owner/],
    [{ restoreToPointInTime: undefined, snapshotIdentifier: "gone" }, /DBSnapshot gone not found in eu-west-1/],
    [{ region: home }, /Automated backup \S+ of eu-central-1 not found/],
  ])("is refused with %j, before there is a server", async (change, said) => {
    await expect(cloud.create(type, "refused", inputs(change))).rejects.toThrow(said);
  });

  test("is refused where the backup does not lead to the moment, with the window", async () => {
    const restoreToPointInTime = {
      sourceDbInstanceAutomatedBackupsArn: copyArn,
      restoreTime: "2020-01-01T00:00:00Z",
    };
    await expect(cloud.create(type, "refused", inputs({ restoreToPointInTime }))).rejects.toThrow(
      /cannot restore to 2020-01-01T00:00:00Z: the restore window is /,
    );
  });

  test("has what was written, its own password, and backups and a replica of its own; what it is from may go", async () => {
    await cloud.create(type, "from-backup", inputs());
    const port = Number(cloud.get("from-backup").outputs.port);
    expect(await sql(port, "select what from written order by what", "its-own-password")).toContain("first");
    await expect(read(port)).rejects.toThrow(/password authentication failed/);
    const { arn, localBackupId } = cloud.get("from-backup").outputs;
    expect(listBackups(rds).map(({ id }) => id)).toContain(localBackupId);
    await sql(port, "insert into written values ('its own')", "its-own-password");
    const replica = { region: home, instanceClass: "db.t4g.micro", replicateSourceDb: arn, skipFinalSnapshot: true };
    await cloud.create(type, "its-replica", replica);
    expect((await cloud.status("its-replica")).text).toContain("streaming");

    await hidden(
      placeOf(
        rds,
        listBackups(rds).find(({ copyOf }) => copyOf !== undefined)!,
      ).directory,
      async () => {
        expect(await cloud.heal("from-backup")).toBeUndefined();
        await cloud.update("from-backup", { backupRetentionPeriod: 2 });
      },
    );
    await cloud.delete("its-replica");
    await cloud.delete("from-backup");
  });

  test("or from a snapshot, has what was there by then and nothing later, and needs nothing else of its source", async () => {
    await write("in the snapshot");
    const snapshot = await takeSnapshot(rds, { backup: own(), name: "kept", signal });
    await write("after the snapshot");
    await archived();
    await expect(takeSnapshot(rds, { backup: own(), name: "kept", signal })).rejects.toThrow(/kept already exists/);
    const from = { region: home, restoreToPointInTime: undefined, snapshotIdentifier: snapshotArn(snapshot) };
    await hidden(source.directory, async () => {
      await cloud.create(type, "from-snapshot", inputs(from));
    });
    const port = Number(cloud.get("from-snapshot").outputs.port);
    const has = await sql(port, "select what from written", "its-own-password");
    expect(has).toContain("in the snapshot");
    expect(has).not.toContain("after the snapshot");
    await cloud.delete("from-snapshot");
  });
});

test("what has expired goes, and never what the retention needs; an ended backup goes when its retention is over", async () => {
  const day = 24 * 3600 * 1000;
  await keepBackups(rds, signal, new Date(Date.now() + 1.5 * day)); // a second base backup is due
  const [first, second] = listBases(source);
  const expires = new Date(second!.endedAt).getTime() + 2 * day;
  const oldest = listSegments(source.wal)[0]!.name;
  expire(rds, own(), new Date(expires - 1000));
  expect(listBases(source).map(({ name }) => name)).toEqual([first!.name, second!.name]);
  expect(listSegments(source.wal)[0]!.name).toBe(oldest);
  expire(rds, own(), new Date(expires + 1000));
  expect(listBases(source).map(({ name }) => name)).toEqual([second!.name]);
  expect(listSegments(source.wal)[0]!.name).toBe(second!.first);

  await cloud.delete("copies");
  const copies = listBackups(rds).find(({ copyOf }) => copyOf !== undefined)!;
  expire(rds, copies, new Date(Date.now() + day - 60_000));
  expect(existsSync(placeOf(rds, copies).directory)).toBe(true);
  expire(rds, copies, new Date(Date.now() + day + 60_000));
  expect(existsSync(placeOf(rds, copies).directory)).toBe(false);
});
