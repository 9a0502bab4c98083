/**
 * The primary's disk fills up: what comes of writers, of what was acknowledged before, and of the archive, once there
 * is room again.
 */
import { randomBytes } from "node:crypto";
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

const disk = smallDisk(400);
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
});
afterAll(async () => {
  if (!disk) return;
  await Promise.all([server.stop(), s3.close()]);
  disk.release();
});

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

test.runIf(disk)(
  "a full disk refuses writers, and takes nothing that was acknowledged; once there is room all goes on, and the archive has it all",
  { timeout: 180_000 },
  async () => {
    const acknowledged: string[] = [];
    const app = await database.connect(roles.app);
    const first = newReceipt();
    await insertReceipts(app, [first]);
    acknowledged.push(first.id);
    await archived();

    disk!.fill(24);
    const refusals = await Promise.all(["a", "b", "c"].map((agent) => writeUntilRefused(agent, acknowledged)));
    // Where no segment of the log can be begun, the server ends instead.
    for (const said of refusals) expect(said).toMatch(/No space left on device|Connection terminated/);
    expect(acknowledged.length).toBeGreaterThan(10);

    disk!.makeRoom();
    await server.restart();
    const auditor = await database.connect(roles.auditor);
    expect(await idsIn(auditor)).toEqual(expect.arrayContaining(acknowledged));
    await insertReceipts(await database.connect(roles.app), [newReceipt({ actor_id: "a" })]);
    expect(await chainFaults(auditor)).toEqual([]);
    const all = await idsIn(auditor);
    expect(await archived()).toMatchObject({ number: 2, rows: all.length - 1, flaws: [] });
    expect((await verifyArchive(bucket, 0, 0)).findings).toEqual([]);
  },
);
