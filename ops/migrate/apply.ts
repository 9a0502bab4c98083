/** Applies one migration: its ledger row first, so that whoever else tries collides before anything is changed. */
import pg from "pg";
import { jitter, sqlState } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";
import type { Migration } from "./files";
import type { Statement } from "./split";

export interface ApplyOptions {
  log: Log;
  signal?: AbortSignal;
  /** How long one attempt may keep writers waiting for a lock of ours. */
  lockTimeoutMs: number;
  /** How long to go on trying to get the locks. */
  lockPatienceSeconds: number;
}

/** lock_not_available, deadlock_detected: rolled back, worth another attempt. */
const busy = new Set(["55P03", "40P01"]);

const insertRow = `insert into audit.migrations (number, slug, sha256) values ($1, $2, $3)`;
const finishRow = `update audit.migrations set complete = true, duration_ms = $2, applied_at = clock_timestamp() where number = $1`;

/** Settings of the session that migrations run in, whatever the server's or the role's are. */
export const sessionSettings = `
  set search_path = public, audit;
  set timezone = 'UTC';
  set statement_timeout = 0;
  set client_min_messages = warning;
  set client_connection_check_interval = '2s'`;

export async function applyMigration(client: pg.Client, migration: Migration, options: ApplyOptions): Promise<number> {
  const started = Date.now();
  const until = started + 1000 * options.lockPatienceSeconds;
  await client.query(`set lock_timeout = ${options.lockTimeoutMs}`);
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      await (migration.transaction
        ? inTransaction(client, migration, started)
        : statementByStatement(client, migration, started, options));
      return Date.now() - started;
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (!(error instanceof StatementError) || !busy.has(error.sqlState ?? "")) throw error;
      if (Date.now() > until) {
        throw new Failure(
          `${error.message} (in use at each of ${attempt} attempts within ${options.lockPatienceSeconds} s)`,
          error.details,
        );
      }
      options.log.warn("a table is in use; trying again", { file: migration.file, attempt, error: error.message });
      await jitter(Math.min(250 * attempt, 2000), options.signal);
    }
  }
}

async function inTransaction(client: pg.Client, migration: Migration, started: number): Promise<void> {
  await client.query("begin");
  try {
    await client.query(insertRow, [migration.number, migration.slug, migration.sha256]);
    for (const statement of migration.statements) await run(client, migration, statement);
    await client.query(finishRow, [migration.number, Date.now() - started]);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

/** The row stays, incomplete, when this is interrupted: the next run starts the file again. */
async function statementByStatement(
  client: pg.Client,
  migration: Migration,
  started: number,
  options: ApplyOptions,
): Promise<void> {
  await client.query(
    `${insertRow} on conflict (number) do update set sha256 = excluded.sha256 where not migrations.complete`,
    [migration.number, migration.slug, migration.sha256],
  );
  for (const statement of migration.statements) {
    options.signal?.throwIfAborted();
    await run(client, migration, statement);
  }
  await client.query(finishRow, [migration.number, Date.now() - started]);
}

class StatementError extends Failure {
  constructor(
    message: string,
    details: string[],
    readonly sqlState: string | undefined,
  ) {
    super(message, details);
  }
}

async function run(client: pg.Client, migration: Migration, statement: Statement): Promise<void> {
  try {
    await client.query(statement.text);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError))
      throw new Failure(`${migration.file}, line ${statement.line}: ${String(error)}`);
    const { line, excerpt } = locate(statement, Number(error.position ?? 0));
    const details = [`statement: ${excerpt}`];
    for (const field of ["detail", "hint", "where"] as const)
      if (error[field]) details.push(`${field}: ${error[field]}`);
    throw new StatementError(
      `${migration.file}, line ${line}: ${error.message} (SQLSTATE ${error.code})`,
      details,
      sqlState(error),
    );
  }
}

/** The file's line an error is about (the statement's first if the server named no position), and the text around it. */
export function locate(statement: Statement, position: number): { line: number; excerpt: string } {
  // The server counts characters, JavaScript UTF-16 units.
  const before = [...statement.text].slice(0, Math.max(position - 1, 0)).join("");
  const offset = before.split("\n").length - 1;
  const lines = statement.text.split("\n");
  const shown = position > 0 ? (lines[offset] ?? "") : lines.slice(0, 3).join(" ");
  const excerpt = shown.trim().replace(/\s+/g, " ");
  return { line: statement.line + offset, excerpt: excerpt.length > 200 ? `${excerpt.slice(0, 200)}…` : excerpt };
}
