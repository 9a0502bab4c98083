/** Applies one migration: its ledger row first, so that whoever else tries collides before anything is changed. */
import pg from "pg";
import type { Log } from "../log";
import { lockHolders, retryWhileBusy } from "../maintenance/retry";
import { Failure } from "../program";
import type { Migration } from "./files";

export interface ApplyOptions {
  log: Log;
  signal?: AbortSignal;
  /** How long one attempt may keep writers waiting for a lock of ours. */
  lockTimeoutMs: number;
  /** How long to go on trying to get the locks. */
  lockPatienceSeconds: number;
}

/** Applies it in one transaction, and returns how long that took, in milliseconds. */
export async function applyMigration(client: pg.Client, migration: Migration, options: ApplyOptions): Promise<number> {
  const started = Date.now();
  const progress: Progress = { completed: 0 };
  await client.query(`set lock_timeout = ${options.lockTimeoutMs}`);
  await retryWhileBusy(
    () => inTransaction(client, migration, started, progress),
    (error) => describe(migration, error, progress),
    {
      patienceSeconds: options.lockPatienceSeconds,
      signal: options.signal,
      blockers: () => lockHolders(client),
      onBusy: (attempt, { message }) =>
        options.log.warn("a table is in use; trying again", { file: migration.file, attempt, error: message }),
    },
  );
  return Date.now() - started;
}

/** How far the server came in the file. */
interface Progress {
  completed: number;
}

async function inTransaction(
  client: pg.Client,
  migration: Migration,
  started: number,
  progress: Progress,
): Promise<void> {
  await client.query("begin");
  try {
    const row = [migration.number, migration.slug, migration.sha256];
    await client.query("insert into audit.migrations (number, slug, sha256) values ($1, $2, $3)", row);
    await runFile(client, migration.sql, progress);
    await client.query(
      "update audit.migrations set duration_ms = $2, applied_at = clock_timestamp() where number = $1",
      [migration.number, Date.now() - started],
    );
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

async function runFile(client: pg.Client, sql: string, progress: Progress): Promise<void> {
  // pg hands over all results or one error; the messages under it tell the statements apart.
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
  const count = () => progress.completed++;
  progress.completed = 0;
  connection.on("commandComplete", count);
  try {
    await client.query(sql);
  } finally {
    connection.off("commandComplete", count);
  }
}

function describe({ file, sql }: Migration, error: unknown, { completed }: Progress): Failure {
  if (!(error instanceof pg.DatabaseError)) return new Failure(`${file}: ${String(error)}`);
  const at = locate(sql, Number(error.position ?? 0));
  const details = at ? [`statement: ${at.excerpt}`] : [];
  for (const field of ["detail", "hint", "internalQuery", "where"] as const)
    if (error[field]) details.push(`${field}: ${error[field]}`);
  const place = `${file}, ${at ? `line ${at.line}` : `statement ${completed + 1}`}`;
  return new Failure(`${place}: ${error.message} (SQLSTATE ${error.code})`, details);
}

/** The line of a server's position in the text. What fails while it runs, as a constraint does, has none. */
function locate(sql: string, position: number): { line: number; excerpt: string } | undefined {
  if (position < 1) return undefined;
  // The server counts characters, JavaScript UTF-16 units.
  const line = [...sql]
    .slice(0, position - 1)
    .join("")
    .split("\n").length;
  const excerpt = (sql.split("\n")[line - 1] ?? "").trim();
  return { line, excerpt: excerpt.length > 200 ? `${excerpt.slice(0, 200)}…` : excerpt };
}
