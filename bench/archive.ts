import { execFile, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { collectsOften } from "../components/programs/collectsOften";
import { bundleOps } from "../components/programs/opsBundle";
import { Bucket } from "../ops/archive/bucket";
import { silentLog } from "../ops/log";
import { compact } from "../ops/months/compact";
import { roles } from "../ops/roles";
import { lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../test/s3";
import { printTable, type Lab } from "./lab";
import { fillStatement, imported } from "./payload";
import type { BucketRead } from "./readBucket";

/** The whole of a database into the bucket, by the program as it is deployed, in a process of its own: how fast, in how much memory. */
export async function archive(lab: Lab): Promise<void> {
  const count = lab.quick ? 50_000 : 300_000;
  const { bare } = lab.owner;
  await bare.query("truncate receipts, audit.receipt_history, audit.chain_heads, audit.history_heads");
  const at = (n: number) => new Date(Date.now() - 20 * 86_400_000 * (1 - n / count)).toISOString();
  for (let n = 0; n < count; n += 10_000)
    await bare.query(imported(fillStatement("receipts", n, 10_000, at(n), at(n + 10_000))));
  await bare.query("vacuum analyze receipts");
  const program = join(lab.dir, "archive.js");
  writeFileSync(program, (await bundleOps(["archive"], dirname(__dirname))).archive);
  const s3 = await testS3({});
  const rows: (string | number)[][] = [];
  try {
    for (const segmentRows of [100_000, 10_000]) {
      const name = `archive-${segmentRows}`;
      makeBucket(s3.root, name, lockedBucket);
      // Each into a bucket of its own, as after a change of buckets (docs/runbooks/archive-flawed.md).
      await bare.query("update audit.archive set manifest = 0; update audit.dumps set number = 0");
      const { seconds, peak, bytes } = await run(program, {
        DATABASE_URL: lab.bare.url(roles.archiver),
        AWS_ENDPOINT_URL_S3: s3.url,
        BACKUP_BUCKET: name,
        BACKUP_REGION: testRegion,
        ARCHIVE_SEGMENT_ROWS: String(segmentRows),
        ...s3.environment,
        ...collectsOften,
      });
      rows.push([`${count} receipts, ${segmentRows} to a segment`, count / seconds, bytes / count, peak / 1024]);
    }
    printTable("Archive", ["", "receipts/s", "bytes per receipt in the bucket", "memory, MiB"], rows);
    await verification(s3, "archive-100000");
  } finally {
    await s3.close();
  }
}

/**
 * What is in a bucket, read and proven by a process that does nothing else: from its segments, and from the archive of
 * their month.
 */
async function verification(s3: TestS3, name: string): Promise<void> {
  const bucket = new Bucket(s3.client({ forcePathStyle: true }), name, new AbortController().signal);
  const later = new Date(Date.now() + 40 * 86_400_000);
  await compact({ bucket, environment: "bench", delayDays: 0, told: 0, now: later, log: silentLog });
  const rows: (string | number)[][] = [];
  for (const from of ["segments", "the month's archive"]) {
    const program = [...process.execArgv, join(__dirname, "readBucket.ts"), name, from];
    const env = { ...process.env, AWS_ENDPOINT_URL_S3: s3.url, ...s3.environment };
    const { stdout } = await promisify(execFile)(process.execPath, program, { env });
    const read = JSON.parse(stdout) as BucketRead;
    rows.push([`from ${from}`, read.rows / read.seconds, (read.cpuSeconds * 1e6) / read.rows]);
  }
  printTable("Verification of the archive", ["", "receipts/s", "CPU µs per receipt"], rows);
}

/** Seconds, the peak of its memory in KiB, and bytes of its segments. */
function run(
  program: string,
  settings: Record<string, string>,
): Promise<{ seconds: number; peak: number; bytes: number }> {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env["PATH"], ENVIRONMENT: "bench", ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const started = performance.now();
  let [peak, output] = [0, ""];
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    // While it lives: it has written a line.
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  });
  return new Promise((resolve, reject) => {
    child.once("close", (code) => {
      if (code !== 0) return reject(new Error(`the archiver ended with ${code}:\n${output}`));
      const bytes = [...output.matchAll(/"bytes":(\d+)/g)].reduce((sum, [, number]) => sum + Number(number), 0);
      resolve({ seconds: (performance.now() - started) / 1000, peak, bytes });
    });
  });
}
