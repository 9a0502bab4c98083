import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bundleOps } from "../components/programs/opsBundle";
import { Bucket } from "../ops/archive/bucket";
import { archive } from "../ops/archive/run";
import { dump } from "../ops/dump/run";
import { silentLog } from "../ops/log";
import { compact } from "../ops/months/compact";
import { roles } from "../ops/roles";
import { migrationsDir, type TestDatabase } from "../test/postgres";
import { lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../test/s3";
import { printTable, type Lab } from "./lab";
import { fillStatement, imported } from "./payload";

/** A database from the bucket alone, by the program as it is deployed: from segments, and from a month's archive. */
export async function restore(lab: Lab): Promise<void> {
  const count = lab.quick ? 50_000 : 300_000;
  const s3 = await testS3({});
  try {
    const bucket = await filledBucket(lab, s3, count);
    const program = join(lab.dir, "restore.js");
    writeFileSync(program, (await bundleOps(["restore"], dirname(__dirname))).restore);
    const segments = await restoreOnce(lab, s3, bucket.name, program);
    const later = new Date(Date.now() + 40 * 86_400_000);
    const { signal } = new AbortController();
    const compaction = { bucket, environment: "bench", delayDays: 0, told: 0, now: later, log: silentLog, signal };
    const started = performance.now();
    await compact(compaction);
    const compacted = (performance.now() - started) / 1000;
    const archived = await restoreOnce(lab, s3, bucket.name, program);
    printTable(
      `Restore of ${count} receipts, a fifth of them changed once`,
      [
        "",
        "s until stored",
        "s until verified",
        "the program, MiB",
        "a backend's own, MiB",
        "CPU s, program",
        "CPU s, server",
      ],
      [
        ["from segments", ...columns(segments)],
        ["from the month's archive", ...columns(archived)],
      ],
    );
    printTable("Compaction of the same", ["s", "this process with S3, MiB"], [[compacted, peakOf(process.pid) / 1024]]);
  } finally {
    await s3.close();
  }
}

const columns = ({ stored, verified, program, backend, cpu }: Measured) => [
  stored,
  verified,
  program / 1024,
  backend / 1024,
  cpu.program,
  cpu.server,
];

/** Receipts of this month, a fifth of them changed, in segments and a dump. */
export async function filledBucket(lab: Lab, s3: TestS3, count: number): Promise<Bucket> {
  const { bare } = lab.owner;
  await bare.query("truncate receipts, audit.receipt_history, audit.chain_heads, audit.history_heads, audit.chains");
  const since = new Date();
  since.setUTCDate(1);
  const span = Math.min(20 * 86_400_000, Date.now() - since.getTime());
  const at = (n: number) => new Date(Date.now() - span * (1 - n / count)).toISOString();
  const step = 10_000;
  for (let n = 0; n < count; n += step)
    await bare.query(imported(fillStatement("receipts", n, step, at(n), at(n + step))));
  await bare.query("update receipts set execution_attempts = 1, updated_at = now() where chain_seq % 5 = 0");
  await bare.query("vacuum analyze receipts");
  const name = `restore-${count}`;
  makeBucket(s3.root, name, lockedBucket);
  const bucket = new Bucket(s3.client({ forcePathStyle: true }), name, new AbortController().signal);
  const client = await lab.bare.connect(roles.archiver);
  const common = { client, bucket, environment: "bench", told: 0, log: silentLog };
  const { number = 0 } = await archive({ ...common, mostRows: 10_000 });
  await dump({ ...common, manifest: number });
  await client.end();
  return bucket;
}

export interface Measured {
  stored: number;
  verified: number;
  /** KiB. */
  program: number;
  backend: number;
  /** Seconds of a core: the program's, and its server processes'. */
  cpu: { program: number; server: number };
}

/** Into a new database of the lab's server, which is dropped then. */
export async function restoreOnce(lab: Lab, s3: TestS3, bucket: string, program: string): Promise<Measured> {
  const into: TestDatabase = await lab.server.createDatabase();
  const child = spawn(process.execPath, [program], {
    env: {
      PATH: process.env["PATH"],
      NODE_OPTIONS: process.env["NODE_OPTIONS"],
      DATABASE_URL: into.ownerUrl,
      AWS_ENDPOINT_URL_S3: s3.url,
      BACKUP_BUCKET: bucket,
      BACKUP_REGION: testRegion,
      MIGRATIONS_DIR: migrationsDir,
      ...s3.environment,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const peaks = { program: 0, backend: 0 };
  const cpu = new Map<number, number>();
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  let code: number | null | undefined;
  const ended = new Promise<void>((done) => child.once("close", (of) => ((code = of), done())));
  while (code === undefined) {
    peaks.program = Math.max(peaks.program, peakOf(child.pid));
    const backends = backendsOf(into.name);
    peaks.backend = Math.max(peaks.backend, ...backends.map((pid) => peakOf(pid, "RssAnon")));
    for (const pid of [child.pid ?? 0, ...backends]) cpu.set(pid, Math.max(cpu.get(pid) ?? 0, cpuOf(pid)));
    await Promise.race([ended, sleep(200)]);
  }
  const line = output.split("\n").find((text) => text.includes('"message":"restored"'));
  if (code !== 0 || line === undefined) throw new Error(`the restore ended with ${code}:\n${output}`);
  await lab.owner.bare.query(`drop database ${into.name} with (force)`);
  const { seconds } = JSON.parse(line) as { seconds: Pick<Measured, "stored" | "verified"> };
  const ofProgram = cpu.get(child.pid ?? 0) ?? 0;
  const all = [...cpu.values()].reduce((sum, one) => sum + one, 0);
  return { ...seconds, ...peaks, cpu: { program: ofProgram, server: all - ofProgram } };
}

/** KiB; 0 of a process that is gone. `RssAnon` is without shared buffers. */
function peakOf(pid: number | undefined, of = "VmHWM"): number {
  try {
    return Number(new RegExp(`${of}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Seconds of a core; 0 of a process that is gone. */
function cpuOf(pid: number): number {
  try {
    // After the command's name, in which there may be spaces: utime and stime, in hundredths.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

/** The server's processes of a database. */
function backendsOf(database: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && commandOf(name).includes(database))
    .map(Number);
}

function commandOf(pid: string): string {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return command.startsWith("postgres:") ? command : "";
  } catch {
    return "";
  }
}
