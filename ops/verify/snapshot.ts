/** What is read at the beginning and once more at the end: heads and checkpoints. */
import type pg from "pg";
import { sqlState } from "../database";
import { Failure } from "../program";
import { chainKinds, chainNames, ofEachChain, type ChainName } from "./chainKinds";
import { beyondHeads, readCheckpoints, type Checkpoint } from "./checkpoints";
import { named, type Finding } from "./findings";
import { readServer, type Server } from "./server";
import { structureFindings } from "./readable";

export interface Head {
  agent: string;
  seq: number;
  seal: Buffer;
  hash: string | null;
  /** When its last row was stored, in microseconds since 1970; undefined at no time. */
  clock: number | undefined;
}

export type Heads = Record<ChainName, Map<string, Head>>;

export interface Snapshot {
  heads: Heads;
  checkpoints: Record<ChainName, Map<string, Checkpoint[]>>;
  /** Partitions that were archived: named by checkpoints, and no longer here. */
  archived: Set<string>;
  /** Partitions that are here. */
  partitions: Set<string>;
  checkpointCount: number;
  /** What is wrong with the checkpoints, and with heads by themselves. */
  findings: Finding[];
  /** What the snapshot shows the state of. */
  asOf: string;
  standby: boolean;
  server: Server;
  estimate: number;
}

/** Reads it, or fails with a clear line where something is not there or not to be read: never an empty answer instead. */
export async function readSnapshot(client: pg.Client): Promise<Snapshot> {
  const about = await client.query<{ as_of: string; standby: boolean; estimate: string }>(
    `select case when pg_is_in_recovery() then coalesce(pg_last_xact_replay_timestamp(), now()) else now() end::text as as_of,
            pg_is_in_recovery() as standby,
            (select coalesce(sum(greatest(c.reltuples, 0)), 0)::int8
               from pg_partition_tree('public.receipts') t join pg_class c on c.oid = t.relid and t.isleaf) as estimate`,
  );
  const checkpoints = await readCheckpoints(client);
  const { heads, doubles } = await readHeads(client);
  return {
    heads,
    ...checkpoints,
    findings: [...checkpoints.findings, ...beyondHeads(checkpoints, heads), ...emptyHeads(heads), ...doubles],
    estimate: Number(about.rows[0]?.estimate),
    asOf: about.rows[0]?.as_of ?? "",
    standby: about.rows[0]?.standby ?? false,
    server: await readServer(client),
  };
}

async function readHeads(client: pg.Client): Promise<{ heads: Heads; doubles: Finding[] }> {
  const heads = ofEachChain(() => new Map<string, Head>());
  const doubles: Finding[] = [];
  for (const name of chainNames) {
    const { heads: table, headHash, clock, noun, findings } = chainKinds[name];
    const { rows } = await client.query<Omit<Head, "seq" | "clock"> & { seq: string; clock: string | null }>(
      `select agent, seq, coalesce(seal, '') as seal, ${headHash ?? "null"} as hash,
              case when isfinite(${clock}) then (extract(epoch from ${clock}) * 1000000)::int8 end as clock from ${table}`,
    );
    for (const row of rows) {
      if (heads[name].has(row.agent)) {
        const message = `${named(row.agent)} has more than one head: the next ${noun} would follow from any of them`;
        doubles.push({ kind: findings.head, message, agent: row.agent });
      }
      heads[name].set(row.agent, {
        ...row,
        // No chain is so long that this says less than the number itself.
        seq: Math.min(Number(row.seq), Number.MAX_SAFE_INTEGER),
        clock: row.clock === null ? undefined : Number(row.clock),
      });
    }
  }
  return { heads, doubles };
}

/** The database makes a head together with its first row. One without a row would be what the next row follows from. */
const emptyHeads = (heads: Heads): Finding[] =>
  chainNames.flatMap((name) =>
    [...heads[name].values()]
      .filter(({ seq }) => seq < 1)
      .map(({ agent, seq }) => ({
        kind: chainKinds[name].findings.head,
        message: `the head of ${named(agent)} has place ${seq}, at which there is no ${chainKinds[name].noun}: it was not put there by the database`,
        agent,
      })),
  );

/** What keeps rows from being read as what they are; a missing table or right is a failure. */
export async function assertReadable(client: pg.Client): Promise<Finding[]> {
  try {
    const findings = await structureFindings(client);
    // What must be readable, asked for before any work is begun.
    for (const name of chainNames) {
      await client.query(`select from ${chainKinds[name].table} limit 0`);
      await client.query(`select from ${chainKinds[name].heads} limit 0`);
    }
    await client.query("select from audit.checkpoints limit 0");
    return findings;
  } catch (error) {
    const code = sqlState(error);
    if (code === "42501" || code === "42P01" || code === "3F000")
      throw new Failure(`the trail cannot be verified: ${(error as Error).message}`, [
        "verify needs what authensor_auditor may read: receipts, and in schema audit the history, heads and checkpoints",
      ]);
    throw error;
  }
}
