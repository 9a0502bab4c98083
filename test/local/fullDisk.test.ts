/**
 * The primary's disk fills up under a whole deployment: the alarm tells before there is no room, nothing that was acknowledged is lost, and
 * all goes on once there is room. CloudWatch and RDS live by a clock that is hurried; the monitor has no part in it.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { renameSync, rmSync, statfsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { files, readAlarms, readStates, type Action } from "../../cloud/aws/cloudwatch/definitions";
import { cloudWatchRoot } from "../../cloud/aws/cloudwatch/service";
import { rdsRoot } from "../../cloud/aws/rds/api/service";
import { readIfThere } from "../../cloud/host/files";
import { waitUntil } from "../../cloud/host/wait";
import { insertReceipts, newReceipt } from "../receipts";
import { smallDisk } from "../smallDisk";
import { LocalCloud } from "./commands";
import { HurriedClock } from "./hurry";

const mib = 2 ** 20;
/** MiB: 5 % of the 20 GiB that RDS was asked for (components/monitoring/serverAlarms.ts). */
const threshold = 1024;

const disk = smallDisk(3 * threshold);
if (!disk) console.warn("not tested here: the alarm of a full disk. This user may not mount a file system; root may.");

const cloud = new LocalCloud();
let root: string;

beforeAll(async () => {
  if (!disk) return;
  expect(await cloud.run("up")).toMatchObject({ code: 0 });
  root = cloudWatchRoot(cloud.root);
  await movePrimary(disk.directory);
  disk.fill(threshold + 40);
  const clock = new HurriedClock(20);
  for (const pidFile of [join(root, "cloudwatch.pid"), join(rdsRoot(cloud.root), "rds.pid")])
    await clock.hurry(pidFile);
  expect(await cloud.run("up")).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await cloud.remove();
  disk?.release();
});

const primary = () => cloud.pids("aws:rds/instance:Instance", "-primary");

/** Its data alone: pods and CloudWatch stay where they are. The next `up` finds its server stopped. */
async function movePrimary(to: string): Promise<void> {
  process.kill(primary()[0]!, "SIGINT");
  await waitUntil("the primary has stopped", () => primary().length === 0, { timeoutMs: 30_000, everyMs: 50 });
  const [here, there] = [join(cloud.directoryOf("aws:rds/instance:Instance", "-primary"), "data"), join(to, "data")];
  execFileSync("cp", ["-a", here, there]);
  renameSync(here, `${here}.before`);
  symlinkSync(there, here);
  rmSync(`${here}.before`, { recursive: true });
}

const room = () => {
  const { bavail, bsize } = statfsSync(disk!.directory);
  return (bavail * bsize) / mib;
};

const alarm = "authensor-local-storage-low";
const state = () => readStates(root)[readAlarms(root).find(({ name }) => name === alarm)?.arn ?? ""]?.state;
const enters = (wanted: "ALARM" | "OK") =>
  waitUntil(`${alarm} is in ${wanted}`, () => state() === wanted, { timeoutMs: 120_000, everyMs: 100 });

/** In order: what it told, and whom. */
function told(): { state: string; target: string }[] {
  const lines = (readIfThere(files(root).actions) ?? "").split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Action).filter((action) => action.alarm === alarm);
}

/** Through the pooler, until that is so of how many it has written. @returns why it was refused */
async function write(acknowledged: string[], enough: (written: number) => boolean): Promise<string | undefined> {
  const client = new Client({ connectionString: cloud.outputs().auditUrl });
  client.on("error", () => undefined);
  try {
    await client.connect();
    for (let written = 0; !enough(written); written++) {
      // What cannot be compressed.
      const filler = randomBytes(30_000).toString("base64");
      const receipt = newReceipt({ actor_id: "filler", decision: { filler } });
      await insertReceipts(client, [receipt]);
      acknowledged.push(receipt.id);
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function missing(ids: string[]): Promise<string[]> {
  const client = new Client({ connectionString: cloud.outputs().ownerUrl });
  await client.connect();
  const asked = "select id from unnest($1::uuid[]) id where not exists (select from receipts r where r.id = id)";
  return client
    .query<{ id: string }>(asked, [ids])
    .then(({ rows }) => rows.map(({ id }) => id))
    .finally(() => client.end());
}

test.runIf(disk)(
  "a disk that fills up pages while receipts are still taken; one that is full refuses them; with room again the alarm ends, none is lost, and the trail is whole",
  { timeout: 400_000 },
  async () => {
    const acknowledged: string[] = [];
    await enters("OK");
    const { length: before } = told();
    expect(await write(acknowledged, () => room() < threshold - 8)).toBeUndefined();
    await enters("ALARM");
    expect(await write(acknowledged, (written) => written > 0)).toBeUndefined();

    disk!.fill(24);
    const refused = await write(acknowledged, () => false);
    expect(refused).toMatch(/No space left on device|terminat|server|the database system is/);

    disk!.makeRoom();
    expect(await cloud.run("up")).toMatchObject({ code: 0 });
    await enters("OK");
    expect(await missing(acknowledged)).toEqual([]);
    expect(await write(acknowledged, (written) => written > 0)).toBeUndefined();
    for (const program of ["archive", "verify-archived"])
      expect(await cloud.run("cron", program)).toMatchObject({ code: 0 });
    const topic = expect.stringMatching(/:authensor-local-page/) as string;
    expect(told().slice(before)).toMatchObject([
      { state: "ALARM", target: topic },
      { state: "OK", target: topic },
    ]);
  },
);
