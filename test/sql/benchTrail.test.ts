import { expect, it } from "vitest";
import { fill } from "../../bench/deployment";
import { databaseName, roles } from "../../ops/roles";
import { compareCatalog, readCatalog } from "../../ops/verify/catalog";
import { partitionFindings } from "../../ops/verify/partitions";
import { sessionSettings } from "../../ops/verify/session";
import { startPostgres } from "../postgres";

it("the trail that decisions are measured with is in tables as the migrations make them, one for each month", async () => {
  const server = await startPostgres();
  try {
    const database = await server.createDatabase({ migrated: true, name: databaseName });
    await fill(server, 2);
    const auditor = await database.connect(roles.auditor);
    await auditor.query(`begin; ${sessionSettings}`);
    expect([...compareCatalog(await readCatalog(auditor)), ...(await partitionFindings(auditor))]).toEqual([]);
    const { rows } = await auditor.query(
      "select count(*)::int as receipts, count(distinct tableoid)::int as months from public.receipts",
    );
    expect(rows).toEqual([{ receipts: 1000, months: 2 }]);
  } finally {
    await server.stop();
  }
});
