/**
 * What the migrations come to: `npm run schema` writes the schema, normalised, to sql/schema.sql for people to review, and the list of
 * all that there is in a migrated database to sql/catalog.json for the verifier to compare.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { roles } from "../../ops/roles";
import { readCatalog, toList, type Catalog } from "../../ops/verify/catalog";
import { inSnapshot } from "../../ops/verify/session";
import { migrationsDir, startPostgres, type TestDatabase } from "../postgres";

export const schemaFile = join(migrationsDir, "schema.sql");

const header = `-- What the migrations come to. Made by \`npm run schema\`, tested to be current; for reading, not for running.
-- Left out: partitions (they depend on the date), owners, comments, settings.

`;

/** pg_dump's output without what depends on its version, on the date or on chance. */
export async function dumpSchema(database: TestDatabase): Promise<string> {
  const client = await database.connect();
  const { rows } = await client.query<{ name: string }>(
    "select format('%I.%I', relnamespace::regnamespace, relname) as name from pg_class where relispartition and relkind = 'r'",
  );
  const exclude = rows.map(({ name }) => `--exclude-table=${name}`);
  const args = ["--schema-only", "--no-owner", ...exclude, "--dbname", database.superuserUrl];
  const dump = execFileSync(join(database.server.bin, "pg_dump"), args, { encoding: "utf8", maxBuffer: 1 << 26 });
  // \restrict carries a random key; SELECT pg_catalog.set_config and SET are for the restoring session.
  const noise = /^(--.*|SET .*;|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)$\n/gm;
  return (
    header +
    dump
      .replace(noise, "")
      // Its columns are more with each version, and their names are listed.
      .replace(/(pg_stat_get_activity\(NULL::integer\) a)\([^)]*\)/g, "$1")
      .replace(/\n{3,}/g, "\n\n")
      // pg_dump has them as they were granted.
      .replace(/(?:^GRANT .*;\n)+/gm, (grants) => `${grants.trimEnd().split("\n").sort().join("\n")}\n`)
      .trim() +
    "\n"
  );
}

export const catalogFile = join(migrationsDir, "catalog.json");

/** The list of all that the migrations make, as the verifier compares it. */
export async function listCatalog(database: TestDatabase): Promise<Catalog> {
  const client = await database.connect(roles.auditor);
  return toList(await inSnapshot(client, readCatalog));
}

async function main(): Promise<void> {
  const server = await startPostgres();
  try {
    const database = await server.createDatabase({ migrated: true });
    writeFileSync(schemaFile, await dumpSchema(database));
    writeFileSync(catalogFile, `${JSON.stringify(await listCatalog(database), null, 2)}\n`);
  } finally {
    await server.stop();
  }
}

if (process.argv[1] === __filename) void main();
