/** A database from the locked bucket alone: schema, dump, segments, then everything verified. */
import type pg from "pg";
import type { Bucket } from "../archive/bucket";
import { manifestKey } from "../archive/keys";
import { refusePooler, withConnection } from "../database";
import type { Log } from "../log";
import { readMigrations } from "../migrate/files";
import { deploy, migrateUp } from "../migrate/up";
import { verify } from "../verify/verification";
import { takeEmpty, unmark } from "./empty";
import { loadDump } from "./loadDump";
import { loadSegments, type Loaded } from "./loadSegments";
import { makeMonths } from "./months";
import { readSource, type Asked } from "./source";

export interface RestoreOptions {
  /** The owner's, straight to the server, of a database in which there is nothing. */
  url: string;
  bucket: Bucket;
  migrationsDir: string;
  monthsAhead: number;
  asked?: Asked;
  /** Whether what a restore from this bucket has left that was cut off is replaced. Default: it is refused. */
  again?: boolean;
  log: Log;
  signal: AbortSignal;
}

export interface RestoreResult extends Loaded {
  /** Of what is in no chain. */
  dump: { number: number; asOf: string; rows: number };
  /** When the newest receipt was sealed; undefined where there is none. */
  newestReceipt: string | undefined;
  /** What the verifier found in the copy: what was so when it was archived, or something that the restore has got wrong. */
  findings: string[];
  /** What it could not verify: months that had left the database, what has expired, and what was left out as asked. */
  unverified: string[];
  /** Until everything was stored, and until it was verified. */
  seconds: { stored: number; verified: number };
}

export async function restoreFromBucket(options: RestoreOptions): Promise<RestoreResult> {
  const { url, bucket, migrationsDir, log, signal } = options;
  const started = Date.now();
  const seconds = () => (Date.now() - started) / 1000;
  const migrations = readMigrations(migrationsDir);
  const { dump, manifest, leftOut } = await readSource(bucket, migrations, options.asked ?? {});
  return withConnection({ url, applicationName: "authensor-restore", signal }, async (client) => {
    await refusePooler(client);
    await takeEmpty(client, bucket.name, options.again);
    log.info("restoring", {
      from: bucket.name,
      dump: dump.number,
      manifest: manifest.archive.number,
      until: manifest.as_of,
    });
    for (const sentence of leftOut) log.warn(sentence);
    const schema = { dir: migrationsDir, log, signal };
    await migrateUp(client, { ...schema, upTo: dump.schema.number });
    await client.query(sessionSettings);
    await makeMonths(client, dump);
    const rows = await loadDump(client, bucket, dump, log);
    await migrateUp(client, schema);
    await client.query(sessionSettings);
    const loaded = await loadSegments(client, bucket, manifest.archive.number, log);
    await tellArchiver(client, manifest.archive.number, dump.number);
    await client.query("analyze");
    await deploy(client, { ...schema, monthsAhead: options.monthsAhead });
    const stored = seconds();
    log.info("stored; verifying", { receipts: loaded.receipts, changes: loaded.changes, seconds: stored });
    const { newest } = loaded.manifests;
    const report = await verify({
      url,
      signal,
      anchors: [{ ...newest, source: manifestKey(newest.archive.number) }],
      connections: 2,
      chunk: 20_000,
      allowEmpty: true,
    });
    await unmark(client, bucket.name);
    return {
      ...loaded,
      dump: { number: dump.number, asOf: dump.as_of, rows },
      newestReceipt: await newestReceipt(client),
      findings: [...loaded.flaws, ...report.findings.map(({ message }) => message)],
      unverified: [...leftOut, ...report.unverified],
      seconds: { stored, verified: seconds() },
    };
  });
}

/** Text means the same as where it was written, and nothing is given up for taking long. */
const sessionSettings = `
  set search_path = pg_catalog, pg_temp;
  set timezone = 'UTC';
  set datestyle = 'ISO, YMD';
  set intervalstyle = 'postgres';
  set client_min_messages = warning;
  set statement_timeout = 0;
  set lock_timeout = 0;
  set idle_in_transaction_session_timeout = 0`;

/** What the archiver goes on from: it would archive nothing into a bucket whose newest manifests are gone. */
async function tellArchiver(client: pg.Client, manifest: number, dump: number): Promise<void> {
  await client.query("update audit.archive set manifest = $1", [manifest]);
  await client.query("update audit.dumps set number = $1", [dump]);
}

async function newestReceipt(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ at: string }>(
    `select to_char(max(sealed_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from audit.chain_heads`,
  );
  return rows[0]?.at ?? undefined;
}
