/**
 * Rows are stored as they were: no trigger seals anew what is sealed, or stamps it with this moment. The owner may switch its tables'
 * triggers off where only a superuser may set session_replication_role; all of it is one transaction, which nobody writes beside: ALTER
 * TABLE keeps writers waiting until its end, and its failure switches all on again.
 */
import type pg from "pg";
import type { DatabaseError } from "pg";
import { sqlState } from "../database";
import { Failure } from "../program";
import { CopyIn } from "./copyIn";

export async function withoutTriggers(
  client: pg.Client,
  tables: readonly string[],
  work: (copy: CopyIn) => Promise<void>,
): Promise<void> {
  const copy = new CopyIn(client);
  await client.query("begin");
  try {
    for (const table of tables) await client.query(`alter table ${table} disable trigger user`);
    await work(copy);
    for (const table of tables) await client.query(`alter table ${table} enable trigger user`);
    await client.query("commit");
  } catch (error) {
    await copy.abort();
    await client.query("rollback").catch(() => undefined);
    if (sqlState(error) !== "23505") throw error;
    const { message, detail = "" } = error as DatabaseError;
    throw new Failure(`the bucket has a row twice that a table has once: ${message}: ${detail}`, [
      "It was there twice when it was archived or dumped (docs/runbooks/archive-flawed.md). Nothing was restored; --dump and --manifest restore what is older.",
    ]);
  }
}
