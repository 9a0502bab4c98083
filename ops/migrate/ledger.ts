/** What has been applied to a database, and whether the files still agree with it. */
import type { ClientBase } from "pg";
import { Failure } from "../program";
import type { Migration } from "./files";

export interface LedgerRow {
  number: number;
  slug: string;
  sha256: string;
  applied_at: Date;
  duration_ms: number | null;
  applied_by: string;
}

const createLedger = `
  create schema if not exists audit;
  create table if not exists audit.migrations (
    number      int         primary key,
    slug        text        not null,
    sha256      text        not null,
    applied_at  timestamptz not null default clock_timestamp(),
    duration_ms int,
    applied_by  text        not null default session_user
  );
  comment on table audit.migrations is 'One row per migration applied by ops/migrate.';`;

/** Makes the ledger where there is none. The caller holds the lock. */
export async function ensureLedger(client: ClientBase): Promise<void> {
  if (!(await ledgerExists(client))) await client.query(createLedger);
}

async function ledgerExists(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(
    "select to_regclass('audit.migrations') is not null as exists",
  );
  return rows[0]?.exists === true;
}

/** The ledger's rows, by number; none where there is no ledger yet. */
export async function readLedger(client: ClientBase): Promise<LedgerRow[]> {
  if (!(await ledgerExists(client))) return [];
  return (await client.query<LedgerRow>("select * from audit.migrations order by number")).rows;
}

/** The newest migration that was applied, as manifests name the schema; number 0 where there is none. */
export async function newestMigration(client: ClientBase): Promise<Pick<LedgerRow, "number" | "sha256">> {
  const { number = 0, sha256 = "" } = (await readLedger(client)).at(-1) ?? {};
  return { number, sha256 };
}

/** The migrations still to run. A Failure, naming every disagreement, if files and ledger do not belong together. */
export function pendingMigrations(migrations: readonly Migration[], ledger: readonly LedgerRow[]): Migration[] {
  const problems: string[] = [];
  const files = new Map(migrations.map((migration) => [migration.number, migration]));
  const applied = new Set(ledger.map(({ number }) => number));
  const newestFile = migrations.at(-1)?.number ?? 0;
  const newestApplied = ledger.at(-1)?.number ?? 0;
  for (const row of ledger) {
    const name = `${String(row.number).padStart(3, "0")}_${row.slug}.sql`;
    const file = files.get(row.number);
    if (row.number > newestFile)
      problems.push(`${name} is applied here but unknown to this code: the database is newer than the code`);
    else if (!file) problems.push(`${name} is applied here but its file is missing`);
    else if (file.slug !== row.slug) problems.push(`${name} is applied here but its file is now named ${file.file}`);
    else if (file.sha256 !== row.sha256)
      problems.push(
        `${name} was edited after it was applied (sha256 ${row.sha256.slice(0, 12)}… then, ${file.sha256.slice(0, 12)}… now): undo the edit, write a new migration`,
      );
  }
  for (const migration of migrations) {
    if (migration.number < newestApplied && !applied.has(migration.number))
      problems.push(`${migration.file} is not applied here although later ones are: give it the next number`);
  }
  if (problems.length > 0) throw new Failure("the migrations do not fit this database; nothing was changed", problems);
  return migrations.filter(({ number }) => !applied.has(number));
}
