/** `make failover`: the primary's region is lost under write load, and the operator's commands of docs/failover.md are run and timed. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { Progress } from "../../cloud/progress";
import { checkout } from "../environment";
import { readOutputs } from "../outputs";
import { type Acknowledged, Load, longestPause } from "./load";

/** Where the pods can go: a cluster of the replica's region. */
const prepared = "replicaEksClusterName=laptop-west";

const loadMs = 5000;
/** Enough to show that it was no straggler. */
const receiptsAfter = 50;
const patienceMs = 180_000;

interface Step {
  command: string;
  seconds: number;
}

export interface Rehearsed {
  acknowledged: readonly Acknowledged[];
  /** Acknowledged, and not in the database that was promoted. */
  lost: readonly Acknowledged[];
  pause: { from: number; to: number };
  steps: readonly Step[];
  /** The verifier's exit code and last words. */
  verification: { code: number; says: string };
}

/** @param directory of a local cloud of its own: what it does to a region cannot be undone */
export async function rehearse(directory: string, settings: readonly string[], progress: Progress): Promise<Rehearsed> {
  const steps: Step[] = [];
  const run = async (...args: string[]) => {
    const began = performance.now();
    const { code, output } = await command(directory, args);
    if (code !== 0) throw new Error(`./authensor ${args.join(" ")} ended with ${code}:\n${output}`);
    steps.push({ command: `./authensor ${args.join(" ")}`, seconds: (performance.now() - began) / 1000 });
    progress.line(`./authensor ${args.join(" ")}`);
  };
  const set = (...more: string[]) => [prepared, ...settings, ...more].flatMap((setting) => ["--set", setting]);

  await run("clean");
  await run("up", ...set());
  const outputsFile = join(directory, "outputs.json");
  const lost = (readOutputs(outputsFile)["regions"] as { primary: string }).primary;
  const load = new Load(outputsFile);
  try {
    await sleep(loadMs);
    await run("cron", "archive");
    steps.length = 0;
    await run("lose-region", lost);
    const moment = Date.now();
    await run("forget-region", lost);
    await run("up", ...set("failedOver=true"));
    await load.since(moment, receiptsAfter, patienceMs);
  } finally {
    await load.stop();
  }
  const { acknowledged } = load;
  const { code, output } = await command(directory, ["verify"]);
  return {
    acknowledged,
    lost: await missing(acknowledged, readOutputs(outputsFile).auditorUrl),
    pause: longestPause(acknowledged),
    steps,
    verification: { code, says: output.trim().split("\n").at(-1) ?? "" },
  };
}

async function missing(acknowledged: readonly Acknowledged[], url: string): Promise<Acknowledged[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const ids = acknowledged.map(({ receiptId }) => receiptId);
    const { rows } = await client.query<{ id: string }>("select id from receipts where id = any ($1)", [ids]);
    const there = new Set(rows.map(({ id }) => id));
    return acknowledged.filter(({ receiptId }) => !there.has(receiptId));
  } finally {
    await client.end();
  }
}

function command(directory: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(join(checkout, "authensor"), args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, AUTHENSOR_LOCAL_DIR: directory },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** What the rehearsal found, for whoever decides whether it is good enough. */
export function report({ acknowledged, lost, pause, steps, verification }: Rehearsed): string {
  const seconds = (pause.to - pause.from) / 1000;
  const lines = [
    `without an accepted receipt   ${seconds.toFixed(1)} s`,
    `acknowledged receipts         ${acknowledged.length}, of which ${lost.length === 0 ? "none is lost" : `${lost.length} are lost:`}`,
    ...lost.map(
      ({ receiptId, at }) => `  ${receiptId}, acknowledged ${pause.from - at} ms before the last that came in time`,
    ),
    `chains across the switch      ${verification.code === 0 ? "whole" : `exit code ${verification.code}`}: ${verification.says}`,
    "what the operator did",
    ...steps.map(({ command, seconds }) => `  ${seconds.toFixed(1).padStart(5)} s  ${command}`),
  ];
  return `${lines.join("\n")}\n`;
}
