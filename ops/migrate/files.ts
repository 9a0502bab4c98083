/** The migrations of a directory: NNN_slug.sql, numbered from 001 without gaps. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../program";

export interface Migration {
  number: number;
  slug: string;
  file: string;
  sha256: string;
  /** Sent to the server as it is, in one transaction. */
  sql: string;
}

/** What the migrations come to, for people to read; kept beside them. */
const schemaDump = "schema.sql";

const pattern = /^(\d{3})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql$/;

function readMigration(dir: string, file: string): Migration {
  const [, number = "", slug = ""] = pattern.exec(file) ?? [];
  // The hash must not depend on how line ends were checked out.
  const sql = readFileSync(join(dir, file), "utf8").replaceAll("\r\n", "\n");
  return { number: Number(number), slug, file, sha256: createHash("sha256").update(sql).digest("hex"), sql };
}

/** All migrations in order of their number, or a Failure that names all that is wrong with the directory. */
export function readMigrations(dir: string): Migration[] {
  let names: string[];
  try {
    names = readdirSync(dir).filter((name) => /\.sql$/i.test(name) && name !== schemaDump);
  } catch {
    throw new Failure(`MIGRATIONS_DIR: cannot read the directory ${dir}`, [], 2);
  }
  const [named, misnamed] = [names.filter((name) => pattern.test(name)), names.filter((name) => !pattern.test(name))];
  const migrations = named.sort().map((name) => readMigration(dir, name));
  const problems = misnamed.map((name) => `${name}: not named NNN_slug.sql, for example 014_add_index.sql`);
  if (names.length === 0) problems.push(`no migrations in ${dir}`);
  migrations.forEach(({ number, file, sql }, index) => {
    const previous = migrations[index - 1];
    const expected = (previous?.number ?? 0) + 1;
    if (number === previous?.number) problems.push(`${file}: number ${number} is taken by ${previous.file}`);
    else if (number !== expected) problems.push(`${file}: number ${expected} is missing before it`);
    if (isEmpty(sql)) problems.push(`${file}: contains no statement`);
  });
  if (problems.length > 0) throw new Failure("the migrations are not in order; nothing was changed", problems);
  return migrations;
}

/** Nothing but comments and white space. */
function isEmpty(sql: string): boolean {
  return sql.replace(/--[^\n]*|\/\*[^]*?\*\//g, "").trim() === "";
}
