import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { startPostgres, type TestPostgres } from "../postgres";
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

it("sql/catalog.json is what the migrations make; if not, run `npm run schema`", async () => {
  const migrated = await server.createDatabase({ migrated: true });
  expect(await listCatalog(migrated)).toEqual(JSON.parse(readFileSync(catalogFile, "utf8")));
});
