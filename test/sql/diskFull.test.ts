/**
 * The primary's disk fills up: what comes of writers, of what was acknowledged before, and of the archive, once there
 * is room again.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { roles } from "../../ops/roles";
import { verifyArchive } from "../../ops/verify/archived";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { chainFaults, insertReceipts, newReceipt } from "../receipts";
import { lockedBucket, testS3, type TestS3 } from "../s3";
import { smallDisk } from "../smallDisk";

/** On RDS both are on one volume: apart, it is certain which of them finds no room. */
const [disk, logDisk] = [smallDisk(400), smallDisk(400)];
if (!disk) console.warn("not tested here: what a full disk does. This user may not mount a file system; root may.");

let server: TestPostgres;
let s3: TestS3;
let database: TestDatabase;
let bucket: Bucket;

beforeAll(async () => {
  if (!disk) return;
  [server, s3] = await Promise.all([
    startPostgres({ durable: true, within: disk.directory }),
    testS3({ backups: lockedBucket }),
  ]);
  database = await server.createDatabase({ migrated: true });
  bucket = new Bucket(s3.client({ forcePathStyle: true }), "backups", new AbortController().signal);
  await moveLog(logDisk!.directory);
});
afterAll(async () => {
  if (!disk) return;
  await Promise.all([server.stop(), s3.close()]);
  for (const one of [disk, logDisk]) one!.release();
});

/** Gives the server's write-ahead log a disk of its own. */
async function moveLog(to: string): Promise<void> {
  await server.crash();
  const [here, there] = [join(server.dataDir, "pg_wal"), join(to, "pg_wal")];
  execFileSync("cp", ["-a", here, there]);
  rmSync(here, { recursive: true });
  symlinkSync(there, here);
  await server.start();
}

const archived = async () => {
  const client = await database.connect(roles.archiver);
  return archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 100_000 });
};
const idsIn = async (client: pg.Client) =>
  (await client.query<{ id: string }>("select id from receipts")).rows.map(({ id }) => id);

/** Writes until it is refused. @returns why */
async function writeUntilRefused(agent: string, acknowledged: string[]): Promise<string> {
  try {
    const client = await database.connect(roles.app);
    for (;;) {
      // What cannot be compressed.
      const filler = randomBytes(30_000).toString("base64");
      const receipt = newReceipt({ actor_id: agent, decision: { filler } });
      await insertReceipts(client, [receipt]);
      acknowledged.push(receipt.id);
    }
  } catch (error) {
    return (error as Error).message;
  }
}

const noRoom = "No space left on device";

test.runIf(disk).each([
  ["data", disk, new RegExp(noRoom)],
  // A server that cannot begin a segment of its log ends all sessions with a PANIC.
  ["log", logDisk, new RegExp(`${noRoom}|Connection terminated|the database system is`)],
] as const)(
  "a disk without room for the server's %s refuses writers, and takes nothing that was acknowledged; once there is room all goes on, and the archive has it all",
  { timeout: 180_000 },
  async (what, full, refusal) => {
    const acknowledged: string[] = [];
    const first = newReceipt();
    await insertReceipts(await database.connect(roles.app), [first]);
    acknowledged.push(first.id);
    const { number = 0 } = await archived();
    const before = (await idsIn(await database.connect(roles.auditor))).length;

    full!.fill(what === "log" ? 8 : 24);
    const refusals = await Promise.all(["a", "b", "c"].map((agent) => writeUntilRefused(agent, acknowledged)));
    for (const said of refusals) expect(said).toMatch(refusal);
    if (what === "log") expect(server.serverLog()).toMatch(new RegExp(`PANIC: .*${noRoom}`));
    expect(acknowledged.length).toBeGreaterThan(10);

    full!.makeRoom();
    await server.restart();
    const auditor = await database.connect(roles.auditor);
    expect(await idsIn(auditor)).toEqual(expect.arrayContaining(acknowledged));
    await insertReceipts(await database.connect(roles.app), [newReceipt({ actor_id: "a" })]);
    expect(await chainFaults(auditor)).toEqual([]);
    const all = await idsIn(auditor);
    expect(await archived()).toMatchObject({ number: number + 1, rows: all.length - before, flaws: [] });
    expect((await verifyArchive(bucket, 0, 0)).findings).toEqual([]);
  },
);
