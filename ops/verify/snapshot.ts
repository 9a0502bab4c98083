/** What is read at the beginning and once more at the end: heads and checkpoints. */
import type pg from "pg";
import { sqlState } from "../database";
import { Failure } from "../program";
import { emptyHeads, headless, readHeads, type Heads } from "./chainHeads";
import { chainNames, type ChainName } from "./chainKinds";
import { beyondHeads, readCheckpoints, type Checkpoint } from "./checkpoints";
import type { Finding } from "./findings";
import { readServer, type Server } from "./server";
import { structureFindings, trailTables } from "./readable";

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
  /** Chains that have no head, and heads of none that was begun. */
  headless: Finding[];
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
    headless: await headless(client, heads),
    estimate: Number(about.rows[0]?.estimate),
    asOf: about.rows[0]?.as_of ?? "",
    standby: about.rows[0]?.standby ?? false,
    server: await readServer(client),
  };
}

/** All checkpoints; none where they cannot be read as what they are, which the verification itself says. */
export async function allCheckpoints(client: pg.Client): Promise<Checkpoint[]> {
  const unreadable = await assertReadable(client).catch((error: unknown) => {
    if (error instanceof Failure) return [error];
    throw error;
  });
  if (unreadable.length > 0) return [];
  const { checkpoints } = await readCheckpoints(client);
  return chainNames.flatMap((name) => [...checkpoints[name].values()].flat());
}

/** What keeps rows from being read as what they are; a missing right is a failure. */
export async function assertReadable(client: pg.Client): Promise<Finding[]> {
  try {
    const findings = await structureFindings(client);
    // What must be readable, asked for before any work is begun.
    if (findings.length === 0) for (const table of trailTables) await client.query(`select from ${table} limit 0`);
    return findings;
  } catch (error) {
    if (sqlState(error) === "42501")
      throw new Failure(`the trail cannot be verified: ${(error as Error).message}`, [
        "verify needs what authensor_auditor may read: receipts, and in schema audit the history, heads, checkpoints and imports",
      ]);
    throw error;
  }
}
