import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readMigrations } from "../../ops/migrate/files";
import { roles } from "../../ops/roles";
import { migrationsDir, startPostgres, type TestPostgres } from "../postgres";
import { catalogFile, dumpSchema, listCatalog, schemaFile } from "./dumpSchema";

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

it("sql/schema.sql is what the migrations come to; if not, run `npm run schema`", async () => {
  const migrated = await server.createDatabase({ migrated: true });
  const restored = await server.createDatabase();
  // Versions of PostgreSQL write the same schema differently: so the committed one is compared as this server writes it.
  const owner = await restored.connect(roles.owner);
  await owner.query(`set check_function_bodies = off; set search_path = ''; ${readFileSync(schemaFile, "utf8")}`);
  expect(await dumpSchema(restored)).toBe(await dumpSchema(migrated));
});

it("sql/schema.sql is the same in whatever order rights were granted", async () => {
  const database = await server.createDatabase({ migrated: true });
  const before = await dumpSchema(database);
  const client = await database.connect();
  const grants = before.match(/^GRANT .*;$/gm)!;
  // Each is taken away and given again, the last one first.
  for (const grant of grants.toReversed())
    await client.query(`${grant.replace("GRANT", "REVOKE").replace(/ TO (\w+);$/, " FROM $1;")} ${grant}`);
  expect(grants.length).toBeGreaterThan(100);
  expect(await dumpSchema(database)).toBe(before);
});

it("sql/catalog.json is what the migrations make; if not, run `npm run schema`", async () => {
  const migrated = await server.createDatabase({ migrated: true });
  expect(await listCatalog(migrated)).toEqual(JSON.parse(readFileSync(catalogFile, "utf8")));
});

it("a migration uses only what it or an earlier one defines", () => {
  const migrations = readMigrations(migrationsDir).map(({ file, sql }) => ({
    file,
    // Hints and messages may name what comes later.
    code: sql.replace(/--.*$/gm, "").replace(/'(?:[^']|'')*'/g, "''"),
  }));
  const definedIn = new Map<string, string>();
  for (const { file, code } of migrations)
    for (const [, name = ""] of code.matchAll(/create (?:function|table|view|type) (audit\.\w+)/g))
      definedIn.set(name, file);
  expect(definedIn.size).toBeGreaterThan(50);
  const early = migrations.flatMap(({ file, code }) =>
    [...new Set(code.match(/\baudit\.\w+/g))]
      .filter((name) => (definedIn.get(name) ?? file) > file)
      .map((name) => `${file} uses ${name}, which ${definedIn.get(name)} defines`),
  );
  expect(early).toEqual([]);
});
