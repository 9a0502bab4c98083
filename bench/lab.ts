/** What every measurement needs: a durable server of its own, pgbench, and fair comparison on a machine that is never quite quiet. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type pg from "pg";
import { roles } from "../ops/roles";
import { TestPooler } from "../test/pgbouncer";
import { startPostgres, type TestDatabase, type TestPostgres } from "../test/postgres";

const run = promisify(execFile);

export interface Lab {
  server: TestPostgres;
  pooler: TestPooler;
  /** Every migration applied: what production has. */
  whole: TestDatabase;
  /** The same, whose words nobody indexes, and with the tables that it is compared to. */
  bare: TestDatabase;
  owner: { whole: pg.Client; bare: pg.Client };
  quick: boolean;
  dir: string;
  close(): Promise<void>;
}

export const parameters = {
  shared_buffers: "512MB",
  max_wal_size: "8GB",
  checkpoint_timeout: "30min",
  random_page_cost: "1.1",
  max_connections: "200",
  wal_level: "replica",
};

export async function openLab(quick: boolean): Promise<Lab> {
  const dir = mkdtempSync(join(tmpdir(), "bench-"));
  const server = await startPostgres({
    durable: true,
    parameters,
  });
  let pooler: TestPooler | undefined;
  const close = async () => {
    await pooler?.stop();
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const whole = await server.createDatabase({ migrated: true });
    const bare = await server.createDatabase({ migrated: true });
    const owner = { whole: await whole.connect(roles.owner), bare: await bare.connect(roles.owner) };
    pooler = await TestPooler.start(server);
    return { server, pooler, whole, bare, owner, quick, dir, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface PgbenchOptions {
  clients?: number;
  seconds: number;
  /** "simple" puts values into the text; "extended" parses and plans each time, as the control plane's driver does; "prepared" once, as the guard has it. */
  mode?: "simple" | "extended" | "prepared";
}

/** Transactions per second of one script. */
export async function pgbench(lab: Lab, url: string, script: string, options: PgbenchOptions): Promise<number> {
  const { clients = 1, seconds, mode = "simple" } = options;
  const file = join(lab.dir, "script.sql");
  writeFileSync(file, script);
  const flags = [
    "-n",
    "-f",
    file,
    "-c",
    String(clients),
    "-j",
    String(Math.min(2, clients)),
    "-T",
    String(seconds),
    "-M",
    mode,
  ];
  const { stdout } = await run(join(lab.server.bin, "pgbench"), [...flags, url], { maxBuffer: 1 << 26 });
  const tps = Number(/tps = ([\d.]+) \(without/.exec(stdout)?.[1]);
  if (!(tps > 0) || /number of failed transactions: [1-9]/.test(stdout)) throw new Error(`pgbench failed:\n${stdout}`);
  return tps;
}

export interface Case {
  name: string;
  measure: () => Promise<number>;
}

export interface Measured {
  name: string;
  median: number;
  /** To the first case: the median over rounds of the ratio within the round, which what else the machine does shifts little. */
  ratio: number;
}

export const median = (values: number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

/** Runs all cases one after another, again and again: each round compares like with like. */
export async function compare(cases: Case[], rounds: number, between: () => Promise<unknown>): Promise<Measured[]> {
  const results = cases.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    await between();
    for (const [i, { measure }] of cases.entries()) results[i]?.push(await measure());
  }
  const base = results[0] ?? [];
  return cases.map(({ name }, i) => ({
    name,
    median: median(results[i] ?? []),
    ratio: median((results[i] ?? []).map((value, round) => value / (base[round] ?? NaN))),
  }));
}

export function printTable(title: string, columns: string[], rows: (string | number)[][]): void {
  const text = rows.map((row) => row.map((value) => (typeof value === "number" ? round(value) : value)));
  process.stdout.write(`\n### ${title}\n\n| ${columns.join(" | ")} |\n|${columns.map(() => "---|").join("")}\n`);
  for (const row of text) process.stdout.write(`| ${row.join(" | ")} |\n`);
}

const round = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** USER_HZ: Linux' unit of a process' times, the same on every machine. */
const ticksPerSecond = 100;

/** User and system time of a process, and of those of its children that have ended. */
const ticksOf = (pid: number): number[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat
    .slice(stat.lastIndexOf(") ") + 2)
    .split(" ")
    .slice(11, 15)
    .map(Number);
};
const seconds = (ticks: number[]) => ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond;

export const processSeconds = (pid: number): number => seconds(ticksOf(pid).slice(0, 2));

/** Of every process of the server, those that have ended included. */
export function cpuSeconds(server: TestPostgres): number {
  const postmaster = Number(readFileSync(join(server.dataDir, "postmaster.pid"), "utf8").split("\n")[0]);
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "utf8")
    .trim()
    .split(" ")
    .map(Number);
  try {
    return seconds([...children.flatMap((pid) => ticksOf(pid).slice(0, 2)), ...ticksOf(postmaster)]);
  } catch (error) {
    // One has ended meanwhile, before its file was opened or before it was read: its time is the postmaster's now.
    if (/^(ENOENT|ESRCH)$/.test((error as NodeJS.ErrnoException).code ?? "")) return cpuSeconds(server);
    throw error;
  }
}
