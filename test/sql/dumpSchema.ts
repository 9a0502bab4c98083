/**
 * What the migrations come to: `npm run schema` writes the schema, normalised, to sql/schema.sql for people to review, and the
 * fingerprints of the functions that guard the trail to ops/verify/fingerprints.ts for the verifier to compare.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fingerprintQuery } from "../../ops/verify/guards";
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
      .replace(/\n{3,}/g, "\n\n")
      .trim() +
    "\n"
  );
}

export async function readFingerprints(database: TestDatabase): Promise<Record<string, string>> {
  const client = await database.connect();
  const { rows } = await client.query<{ name: string; fingerprint: string }>(fingerprintQuery);
  return Object.fromEntries(rows.map(({ name, fingerprint }) => [name, fingerprint]));
}

const fingerprintsFile = join(__dirname, "../../ops/verify/fingerprints.ts");

async function main(): Promise<void> {
  const server = await startPostgres();
  try {
    const database = await server.createDatabase({ migrated: true });
    writeFileSync(schemaFile, await dumpSchema(database));
    const lines = Object.entries(await readFingerprints(database)).map(([name, hash]) => `  ${name}: "${hash}",\n`);
    writeFileSync(
      fingerprintsFile,
      "/** The functions that guard the trail, as the migrations make them. Written by `npm run schema`, tested to be current. */\n" +
        `export const fingerprints: Readonly<Record<string, string>> = {\n${lines.join("")}};\n`,
    );
  } finally {
    await server.stop();
  }
}

if (process.argv[1] === __filename) void main();
