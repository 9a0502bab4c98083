import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Deployment } from "./deployment";
import { cpuSeconds, processSeconds } from "./lab";
import type { Call, Play, Played } from "./player";

/** A way for the control plane's statements: through what, and how many of them the guard prepares; without a number there is no guard. */
export interface Way {
  name: string;
  url: (deployment: Deployment) => string;
  pooler?: "ours" | "vendors";
  prepared?: number;
  /** By texts that the guard does not know, so that it sends what it else answers by itself (ops/guard/unsent.ts). */
  sendAll?: true;
  /** An API key for each client, in place of one for all. */
  ownKeys?: true;
}

export interface Result {
  /** Decisions a second; where all calls are played, as many of each. */
  rate: number;
  took: Played["took"];
  /** Milliseconds of a core for each of them. */
  cpu: { database: number; pooler: number; replication: number; client: number };
}

/** Plays the control plane in a process of its own, with the guard. */
export async function play(
  deployment: Deployment,
  guard: string,
  { url, pooler, prepared, sendAll, ownKeys }: Way,
  how: Omit<Play, "url" | "sendAll" | "ownKeys">,
): Promise<Result> {
  const asked: Play = { ...how, url: url(deployment), sendAll: sendAll ?? false, ownKeys: ownKeys ?? false };
  const child = spawn(process.execPath, ["--import", "tsx", join(__dirname, "player.ts"), JSON.stringify(asked)], {
    env:
      prepared === undefined
        ? process.env
        : { ...process.env, NODE_OPTIONS: `--require=${guard}`, PREPARED_STATEMENTS: String(prepared) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { server, replica } = deployment;
  const cpu = () => ({
    database: cpuSeconds(server) - processSeconds(replica.sender),
    replication: cpuSeconds(replica.server) + processSeconds(replica.sender),
    pooler: pooler === undefined ? 0 : processSeconds(deployment.poolers[pooler].processes.decisions.pid ?? 0),
  });
  // The player's own time begins and ends with its lines.
  let [output, before, after] = ["", cpu(), cpu()];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (text.includes("begin\n")) before = cpu();
    if (text.includes("end\n")) after = cpu();
    output += text;
  });
  const [code] = (await once(child, "close")) as [number];
  if (code !== 0) throw new Error(`the player ended with ${code}`);
  const { took, seconds, cpuSeconds: client } = JSON.parse(output.slice(output.indexOf("{"))) as Played;
  const number = took.evaluate.length;
  const each = (spent: number) => (spent / number) * 1000;
  return {
    rate: number / seconds,
    took,
    cpu: {
      database: each(after.database - before.database),
      pooler: each(after.pooler - before.pooler),
      replication: each(after.replication - before.replication),
      client: each(client),
    },
  };
}

export const quantile = (values: number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? NaN;

export const callsOf = (calls: Call[], { took }: Result): string[] =>
  calls.map((call) => [0.5, 0.99].map((q) => quantile(took[call], q).toFixed(1)).join(", "));
