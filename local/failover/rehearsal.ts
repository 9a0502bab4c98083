/**
 * `make failover`: the primary's region, or its zone, is lost or left under write load; what docs/failover.md says is
 * then done, and timed.
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
/** How far the replica is behind that is lost so. */
const receiptsBehind = 50;
const patienceMs = 180_000;

interface Step {
  command: string;
  seconds: number;
}

/** From one place to another. */
export interface Move {
  from: string;
  to: string;
  /** The longest time without an acknowledged receipt. */
  pause: { from: number; to: number };
}

export interface Rehearsed {
  acknowledged: readonly Acknowledged[];
  /** Acknowledged, and not in the database that is the primary at the end. */
  lost: readonly Acknowledged[];
  /** Where the replica had not received all: what became of that. */
  left?: LeftBehind;
  moves: readonly Move[];
  steps: readonly Step[];
  /** The verifier's exit code and last words. */
  verification: { code: number; says: string };
}

/** Receipts that were acknowledged, and that the replica had not when it was promoted. */
export interface LeftBehind {
  /** What the refused promotion named, and the next one accepted. */
  digest: string;
  /** What was acknowledged before is in the bucket. */
  archivedFrom: number;
  /** By `reconcile`, from the bucket's segments. */
  named: string[];
}

export interface Rehearsal {
  /** Beside those of Pulumi.local.yaml. */
  settings: readonly string[];
  /**
   * What is lost: the region; the zone alone; the region once it was fenced (`planned`); the region while the replica
   * has not received the last seconds (`behind`).
   */
  loses: "region" | "zone" | "planned" | "behind";
  /** Whether a new replica is made then, and the second region lost too. */
  andBack: boolean;
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
  { settings, loses, andBack }: Rehearsal,
  progress: Progress,
): Promise<Rehearsed> {
  const steps: Step[] = [];
  const timedStep = async (typed: string, work: (typed: string) => Promise<Ended>) => {
    const began = performance.now();
    const { code, output } = await work(typed);
    if (code !== 0) throw new Error(`${typed} ended with ${code}:\n${output}`);
    steps.push({ command: typed, seconds: (performance.now() - began) / 1000 });
    progress.line(typed);
  };
  const run = (...args: string[]) => timedStep(`./authensor ${args.join(" ")}`, () => command(directory, args));
  const withSettings = (given: readonly string[]) => [...settings, ...given].flatMap((setting) => ["--set", setting]);
  const up = (...given: string[]) => run("up", ...withSettings(given));
  /** Nobody types what the archiver does every five minutes. */
  const archive = async () => {
    await run("cron", "archive");
    steps.pop();
  };
  const outputsFile = join(directory, "outputs.json");
  const moves: Move[] = [];

  await run("clean");
  await up(...places(central, west), `multiAz=${loses === "zone"}`);
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
    await archive();
    const lose = () => run("lose-region", from.region);
    await timed(from.region, to.region, lose, async () => {
      await run("forget-region", from.region);
      await up(...places(from, to), "failedOver=true");
    });
  };
  /**
   * The region answers until it is fenced; then nothing of it is asked any more. The fence is what its Job runs, alone:
   * a deployment of the local cloud waits for pods, and none is ready behind it.
   */
  const fence = async () => {
    const { ownerUrl, verifierReplicaUrl } = readOutputs(outputsFile);
    const urls = { DATABASE_URL: ownerUrl, REPLICA_URL: verifierReplicaUrl };
    await timedStep("npx tsx ops/migrate.ts fence", (of) => started("npx", of.split(" ").slice(1), urls));
  };
  const switchOver = async (from: Place, to: Place) => {
    await archive();
    await timed(from.region, to.region, fence, async () => {
      await run("lose-region", from.region);
      await run("forget-region", from.region);
      await up(...places(from, to), `fencedRegion=${from.region}`, "failedOver=true");
    });
  };
  const moveBehind = async (from: Place, to: Place) => {
    const failedOver = [...places(from, to), "failedOver=true"];
    await run("cut-replica");
    steps.pop();
    await load.since(Date.now(), receiptsBehind, patienceMs);
    const archivedFrom = Date.now();
    const { ownerUrl, backupBucket, backupBucketAccess } = readOutputs(outputsFile);
    // From the primary: where the replica receives nothing the archiver does not reach it either.
    const { code, output } = await started("npx", ["tsx", "ops/archive.ts"], {
      ...backupBucketAccess,
      ...{ DATABASE_URL: ownerUrl, BACKUP_BUCKET: backupBucket.name, BACKUP_REGION: backupBucket.region },
      ENVIRONMENT: "local",
    });
    if (code !== 0) throw new Error(`ops/archive.ts ended with ${code}:\n${output}`);
    let digest = "";
    const lose = () => run("lose-region", from.region);
    await timed(from.region, to.region, lose, async () => {
      await run("forget-region", from.region);
      digest = await refusedFor(() => up(...failedOver));
      await up(...failedOver, `acceptMissing=${digest}`);
    });
    return { digest, archivedFrom };
  };

  let behind: Omit<LeftBehind, "named"> | undefined;
  try {
    if (loses === "zone") await timed("its zone", "another", () => run("lose-zone"));
    else if (loses === "planned") await switchOver(central, west);
    else if (loses === "behind") behind = await moveBehind(central, west);
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
  const left = behind && { ...behind, named: namedIn((await command(directory, ["reconcile"])).output) };
  if (left) await run("reconcile", "--bring-in");
  const { code, output } = await command(directory, ["verify"]);
  return {
    acknowledged,
    lost: await missing(acknowledged, readOutputs(outputsFile).auditorUrl),
    ...(left && { left }),
    moves,
    steps,
    verification: { code, says: output.trim().split("\n").at(-1) ?? "" },
  };
}

/** What was refused because of what is missing. */
async function refusedFor(deploy: () => Promise<void>): Promise<string> {
  const said = await deploy().then(
    () => "it was promoted",
    (error: Error) => error.message,
  );
  const digest = /acceptMissing (missing-[0-9a-f]+)/.exec(said)?.[1];
  if (digest === undefined) throw new Error(`the promotion was not refused for what the replica lacks:\n${said}`);
  return digest;
}

const namedIn = (said: string): string[] => [...said.matchAll(/([0-9a-f-]{36})(?=: place \d)/g)].map(([id]) => id);

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

interface Ended {
  code: number;
  output: string;
}

const command = (directory: string, args: readonly string[]): Promise<Ended> =>
  started(join(checkout, "authensor"), args, { AUTHENSOR_LOCAL_DIR: directory });

function started(program: string, args: readonly string[], variables: Record<string, string | undefined>) {
  const child = spawn(program, args, {
    cwd: checkout,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...variables },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  return new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}
