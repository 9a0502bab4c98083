/**
 * `make failover`: the primary's region, or its zone, is lost under write load; what docs/failover.md says is then
 * done, and timed.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { Progress } from "../../cloud/progress";
import { checkout } from "../environment";
import { readOutputs } from "../outputs";
import { type Acknowledged, Load, longestPause } from "./load";

const loadMs = 5000;
/** Enough to show that it was no straggler. */
const receiptsAfter = 50;
const patienceMs = 180_000;

interface Step {
  command: string;
  seconds: number;
}

/** From one place to another. */
interface Move {
  from: string;
  to: string;
  /** The longest time without an acknowledged receipt. */
  pause: { from: number; to: number };
}

export interface Rehearsed {
  acknowledged: readonly Acknowledged[];
  /** Acknowledged, and not in the database that is the primary at the end. */
  lost: readonly Acknowledged[];
  moves: readonly Move[];
  steps: readonly Step[];
  /** The verifier's exit code and last words. */
  verification: { code: number; says: string };
}

export interface Rehearsal {
  /** Beside those of Pulumi.local.yaml. */
  settings: readonly string[];
  /** Whether a new replica is made, and the second region lost too. */
  andBack: boolean;
  /** Whether the zone is lost, and nothing else. */
  zone: boolean;
}

/** What one writes for a primary here and a replica there, each beside a cluster that the pods can go to. */
const places = (primary: Place, replica: Place) => [
  `primaryRegion=${primary.region}`,
  `eksClusterName=${primary.cluster}`,
  `replicaRegion=${replica.region}`,
  `replicaEksClusterName=${replica.cluster}`,
];

interface Place {
  region: string;
  cluster: string;
}

const central = { region: "eu-central-1", cluster: "laptop" };
const west = { region: "eu-west-1", cluster: "laptop-west" };

/** @param directory of a local cloud of its own */
export async function rehearse(
  directory: string,
  { settings, andBack, zone }: Rehearsal,
  progress: Progress,
): Promise<Rehearsed> {
  const steps: Step[] = [];
  const run = async (...args: string[]) => {
    const began = performance.now();
    const { code, output } = await command(directory, args);
    if (code !== 0) throw new Error(`./authensor ${args.join(" ")} ended with ${code}:\n${output}`);
    steps.push({ command: `./authensor ${args.join(" ")}`, seconds: (performance.now() - began) / 1000 });
    progress.line(`./authensor ${args.join(" ")}`);
  };
  const up = (...given: string[]) => run("up", ...[...settings, ...given].flatMap((setting) => ["--set", setting]));
  const outputsFile = join(directory, "outputs.json");
  const moves: Move[] = [];

  await run("clean");
  await up(...places(central, west), `multiAz=${zone}`);
  steps.length = 0;
  const load = new Load(outputsFile);
  /** From the first step on, until receipts are acknowledged that were asked for after the second. */
  const timed = async (from: string, to: string, lose: () => Promise<void>, goOn?: () => Promise<void>) => {
    await sleep(loadMs);
    const began = Date.now();
    await lose();
    const moment = Date.now();
    await goOn?.();
    await load.since(moment, receiptsAfter, patienceMs);
    moves.push({ from, to, pause: longestPause(load.acknowledged.filter(({ at }) => at > began - loadMs)) });
  };
  const move = async (from: Place, to: Place) => {
    await run("cron", "archive");
    steps.pop();
    const lose = () => run("lose-region", from.region);
    await timed(from.region, to.region, lose, async () => {
      await run("forget-region", from.region);
      await up(...places(from, to), "failedOver=true");
    });
  };

  try {
    if (zone) await timed("its zone", "another", () => run("lose-zone"));
    else await move(central, west);
    if (andBack) {
      await run("return-region", central.region);
      await up(...places(west, central));
      await move(west, central);
    }
  } finally {
    await load.stop();
  }
  const { acknowledged } = load;
  const { code, output } = await command(directory, ["verify"]);
  return {
    acknowledged,
    lost: await missing(acknowledged, readOutputs(outputsFile).auditorUrl),
    moves,
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
export function report({ acknowledged, lost, moves, steps, verification }: Rehearsed): string {
  const lines = [
    ...moves.map(({ from, to, pause }) => {
      const seconds = ((pause.to - pause.from) / 1000).toFixed(1);
      return `without an accepted receipt   ${seconds} s, from ${from} to ${to}`;
    }),
    `acknowledged receipts         ${acknowledged.length}, of which ${lost.length === 0 ? "none is lost" : `${lost.length} are lost:`}`,
    ...lost.map((one) => `  ${one.receiptId}, acknowledged ${lastBefore(one, moves)}`),
    `chains across the switch      ${verification.code === 0 ? "whole" : `exit code ${verification.code}`}: ${verification.says}`,
    "what the operator did",
    ...steps.map(({ command, seconds }) => `  ${seconds.toFixed(1).padStart(5)} s  ${command}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** How long before everything stood still. */
function lastBefore({ at }: Acknowledged, moves: readonly Move[]): string {
  const stop = moves.map(({ pause }) => pause.from).find((moment) => moment >= at);
  return stop === undefined ? "after the last move" : `${stop - at} ms before the last that came in time`;
}
