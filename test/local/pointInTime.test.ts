/** Backups of real servers: any second can be restored, what is damaged says so, and what fails meanwhile leaves no gap. */
import { existsSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  DeleteDBInstanceCommand,
  DescribeDBInstancesCommand,
  DescribeEventsCommand,
  RDSClient,
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
import { dataOf, listBases } from "../../cloud/aws/rds/backups/base";
import { listSegments } from "../../cloud/aws/rds/backups/segments";
import { waitUntil, sleep } from "../../cloud/host/wait";
import { FakeCloud } from "./fakeCloud";

const cloud = new FakeCloud();
const rds = rdsRoot(cloud.root);
const [home, elsewhere] = ["eu-central-1", "eu-west-1"];
const { signal } = new AbortController();
const api = serve({ directory: rds, reboots: new Set(), restores: new Map(), signal });
let clients: Record<string, RDSClient>;
let source: BackupPlace;
let copyArn = "";

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
    username: "owner",
    passwordWo: "first-password",
    passwordWoVersion: 1,
    dbName: "authensor",
    allocatedStorage: 20,
    backupRetentionPeriod: 2,
    skipFinalSnapshot: true,
  });
  const type = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication";
  const inputs = { region: elsewhere, sourceDbInstanceArn: primary.outputs.arn, retentionPeriod: 1 };
  copyArn = String((await cloud.create(type, "copies", inputs)).outputs.arn);
  const backups = listBackups(rds);
  source = placeOf(
    rds,
    backups.find(({ region }) => region === home)!,
  );
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
const server = () => serverBehind(find(rds, home, String(cloud.get("primary").outputs.identifier))!);
const nextSecond = () => sleep(1000 - (Date.now() % 1000));

/** Has the segment archived that the server writes to now; returns its name. */
async function archived(): Promise<string> {
  const [row] = await server().query<{ name: string }>("select pg_walfile_name(pg_switch_wal()) as name");
  const { name } = row!;
  const there = () => listSegments(source.wal).some((segment) => segment.name === name);
  await waitUntil(`${name} archived`, there, { timeoutMs: 20_000 });
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
  const ended = await waitUntil(id, status, { timeoutMs: 30_000, everyMs: 50 });
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
  await waitUntil(`${id} deleted`, gone, { timeoutMs: 20_000 });
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
    const { name } = listSegments(source.wal).at(-1)!;
    await damaged(join(source.wal, `${name}.gz`), async () => {
      const message = `restore-error: WAL segment ${join(source.wal, name)}.gz is damaged`;
      await expect(restored("damaged", { UseLatestRestorableTime: true })).rejects.toThrow(message);
    });
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
