/** The migrations as they lie in their directory: NNN_slug.sql, numbered from 1 without gaps. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../program";
import { splitStatements, type Statement } from "./split";

export interface Migration {
  number: number;
  slug: string;
  file: string;
  sha256: string;
  statements: Statement[];
  sql: string;
  /** False for a file marked as one that cannot run in a transaction. */
  transaction: boolean;
}

/** As the first line of a file: its statements run one by one, each of which must therefore be safe to run again. */
export const noTransactionMarker = "-- migrate: no transaction";

const pattern = /^(\d{3,})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql$/;

/** One migration from its file's name and text. The hash does not depend on how line ends were checked out. */
export function parseMigration(file: string, text: string): Migration {
  const [, number = "", slug = ""] = pattern.exec(file) ?? [];
  const sql = text.replaceAll("\r\n", "\n");
  return {
    number: Number(number),
    slug,
    file,
    sha256: createHash("sha256").update(sql).digest("hex"),
    sql,
    statements: splitStatements(sql),
    transaction: sql.split("\n", 1)[0]?.trim() !== noTransactionMarker,
  };
}

/** All migrations in order of their number, or a Failure that names all that is wrong with the directory. */
export function readMigrations(dir: string): Migration[] {
  let names: string[];
  try {
    names = readdirSync(dir).filter((name) => name.endsWith(".sql") && name !== "schema.sql");
  } catch {
    throw new Failure(`MIGRATIONS_DIR: cannot read the directory ${dir}`, [], 2);
  }
  const problems = names.filter((name) => !pattern.test(name)).map((name) => `${name}: not named NNN_slug.sql`);
  const migrations = names
    .filter((name) => pattern.test(name))
    .map((name) => parseMigration(name, readFileSync(join(dir, name), "utf8")))
    .sort((a, b) => a.number - b.number || a.file.localeCompare(b.file));
  if (names.length === 0) problems.push(`no migrations in ${dir}`);
  migrations.forEach((migration, index) => {
    const expected = (migrations[index - 1]?.number ?? 0) + 1;
    if (migration.number === expected - 1)
      problems.push(`${migration.file}: number ${migration.number} is taken by ${migrations[index - 1]?.file}`);
    else if (migration.number !== expected) problems.push(`${migration.file}: number ${expected} is missing before it`);
    if (migration.statements.length === 0) problems.push(`${migration.file}: holds no statement`);
  });
  if (problems.length > 0) throw new Failure("the migrations are not in order; nothing was changed", problems);
  return migrations;
}
