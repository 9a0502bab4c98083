/** What a deployment changes in the database, in order; each step does nothing where nothing is to be done. */
import type pg from "pg";
import { refusePooler } from "../database";
import type { Log } from "../log";
import { lockMaintenance } from "../maintenance/lock";
import { ensurePartitions } from "../maintenance/partitions";
import { repairRoles, setConnectionLimits } from "../maintenance/roles";
import { sessionSettings } from "../maintenance/session";
import { Failure } from "../program";
import { applyMigration, type ApplyOptions } from "./apply";
import { awaitRuns } from "./awaitRuns";
import { readMigrations } from "./files";
import { ensureLedger, pendingMigrations, readLedger } from "./ledger";
import { keepAdministering } from "./ownerAdmin";
import { analyseWhatNobodyHas } from "./statistics";

export interface UpOptions {
  dir: string;
  log: Log;
  signal?: AbortSignal;
  /** How long to wait for another run. Default 300. */
  waitSeconds?: number;
  lockTimeoutMs?: number;
  lockPatienceSeconds?: number;
  /** Stop after this number: for tests of what lies between two versions. */
  upTo?: number;
}

export interface DeployOptions extends UpOptions {
  monthsAhead: number;
  /** Connections that each role may have. */
  connections?: Readonly<Record<string, number>>;
  /** Programs on schedule that the deployment has. Default: as it was. */
  programs?: readonly string[] | undefined;
}

/** Applies what is pending; returns the files applied. Holds the maintenance lock until the connection ends. */
export async function migrateUp(client: pg.Client, options: UpOptions): Promise<string[]> {
  const { log } = options;
  const migrations = readMigrations(options.dir);
  await refusePooler(client);
  await refuseStandby(client);
  await client.query(sessionSettings);
  // Before the lock already: who cannot run need not wait for those who can.
  pendingMigrations(migrations, await readLedger(client));
  await lockMaintenance(client, { log, signal: options.signal, waitSeconds: options.waitSeconds ?? 300 });
  const pending = pendingMigrations(migrations, await readLedger(client)).filter(
    ({ number }) => number <= (options.upTo ?? Infinity),
  );
  if (pending.length > 0) await ensureLedger(client);
  const apply: ApplyOptions = {
    log,
    signal: options.signal,
    lockTimeoutMs: options.lockTimeoutMs ?? 1000,
    lockPatienceSeconds: options.lockPatienceSeconds ?? 120,
  };
  for (const migration of pending) {
    const durationMs = await applyMigration(client, migration, apply);
    log.info("applied", { file: migration.file, durationMs });
  }
  log.info(pending.length === 0 ? "schema is up to date" : "schema migrated", {
    version: migrations.at(-1)?.number,
    applied: pending.length,
  });
  return pending.map(({ file }) => file);
}

/** Migrations, what roles may be, and partitions. Holds the maintenance lock until the connection ends. */
export async function deploy(client: pg.Client, options: DeployOptions): Promise<void> {
  await migrateUp(client, options);
  if (options.connections) await setConnectionLimits(client, options.connections);
  if (options.programs) await awaitRuns(client, options.programs);
  // Before passwords are set: a role that may not log in could not show whether its password works.
  await repairRoles(client, options.log);
  await keepAdministering(client, options.log);
  await ensurePartitions(client, {
    monthsAhead: options.monthsAhead,
    log: options.log,
    signal: options.signal,
  });
  await analyseWhatNobodyHas(client, options.log, options.signal);
}

async function refuseStandby(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ standby: boolean }>("select pg_is_in_recovery() as standby");
  if (rows[0]?.standby) throw new Failure("this server is a standby: the database's URL must name the primary");
}
