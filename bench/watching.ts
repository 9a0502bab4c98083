import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bundleOps } from "../components/programs/opsBundle";
import { freePort } from "../cloud/host/ports";
import { roles } from "../ops/roles";
import { compare, cpuSeconds, median, pgbench, printTable, processSeconds, type Lab } from "./lab";
import { insertScript } from "./payload";

/**
 * What the monitor, as it is deployed, takes from the primary: rounds of inserts with it and without, its sessions' share of the CPU time
 * meanwhile, which says more than two rates that differ by chance, and the time of a core that the server uses when nothing else asks it.
 */
export async function watching(lab: Lab): Promise<void> {
  const program = join(lab.dir, "monitor.js");
  writeFileSync(program, (await bundleOps(["monitor"], dirname(__dirname))).monitor);
  const seconds = lab.quick ? 10 : 30;
  const rounds = lab.quick ? 2 : 5;
  const insert = () => pgbench(lab, lab.whole.url(roles.app), insertScript("receipts", 64), { clients: 16, seconds });
  const shares: number[] = [];
  const insertWatched = async () => {
    const [server, monitor] = [cpuSeconds(lab.server), await sessionSeconds(lab)];
    const rate = await insert();
    shares.push((100 * ((await sessionSeconds(lab)) - monitor)) / (cpuSeconds(lab.server) - server));
    return rate;
  };
  const inserts = await compare(
    [
      { name: "inserts alone", measure: insert },
      { name: "inserts, watched", measure: () => withMonitor(lab, program, insertWatched) },
    ],
    rounds,
    () => lab.owner.whole.query("truncate receipts, audit.receipt_history"),
  );
  printTable(
    "Watching",
    ["", "inserts/s", "ratio"],
    inserts.map(({ name, median, ratio }) => [name, median, ratio]),
  );
  printTable(
    "The monitor's sessions, of the server's CPU time under these inserts",
    ["median, %", "least", "most"],
    [[median(shares), Math.min(...shares), Math.max(...shares)]],
  );
  // With what the last round has written. A minute: some sources are asked no oftener.
  const minute = async () => {
    const before = cpuSeconds(lab.server);
    await sleep(60_000);
    return ((cpuSeconds(lab.server) - before) / 60) * 1000;
  };
  const [alone, watched] = [await minute(), await withMonitor(lab, program, minute)];
  printTable(
    "The server's time of a core while nothing else asks it",
    ["alone, ms a second", "watched"],
    [[alone, watched]],
  );
}

/** CPU time of the monitor's sessions: they stay for as long as it does. */
async function sessionSeconds({ owner }: Lab): Promise<number> {
  const sessions = "select pid from pg_stat_activity where usename = $1";
  const { rows } = await owner.whole.query<{ pid: number }>(sessions, [roles.monitor]);
  return rows.reduce((sum, { pid }) => sum + processSeconds(pid), 0);
}

/** Measures once the monitor has asked every source once; its metrics go to an endpoint that takes them. */
async function withMonitor<T>(lab: Lab, program: string, measure: () => Promise<T>): Promise<T> {
  const endpoint = createServer((request, response) => void request.resume().on("end", () => response.end("{}")));
  await new Promise<void>((resolve) => endpoint.listen(0, "127.0.0.1", resolve));
  const pool = join(lab.dir, "pool-url");
  writeFileSync(pool, lab.pooler.url(roles.monitor, lab.whole.name));
  const port = await freePort();
  const child = spawn(process.execPath, [program], {
    env: {
      PATH: process.env["PATH"],
      NODE_NO_WARNINGS: "1",
      ENVIRONMENT: "bench",
      DATABASE_URL: lab.whole.url(roles.monitor),
      POOL_URL_FILE: pool,
      POOLERS: `localhost:${lab.pooler.port}`,
      CONTROL_PLANE_URL: "http://127.0.0.1:1",
      PORT: String(port),
      HOST: "127.0.0.1",
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "bench",
      AWS_SECRET_ACCESS_KEY: "bench",
      AWS_ENDPOINT_URL_CLOUDWATCH: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    const healthy = () =>
      fetch(`http://127.0.0.1:${port}/health`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await healthy())) {
      if (child.exitCode !== null) throw new Error("the monitor ended");
      await sleep(100);
    }
    return await measure();
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill();
    await ended;
    endpoint.close();
    endpoint.closeAllConnections();
  }
}
